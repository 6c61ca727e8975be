import { describe, expect, it } from '@jest/globals'
import { Passing } from './passing.ts'

describe('What comes and goes', () => {
  it('is there from when it came until it goes', () => {
    const passing = new Passing<string>()
    const first = passing.add('first')
    const second = passing.add('second')
    expect(passing.all()).toEqual(['first', 'second'])

    first()
    expect(passing.all()).toEqual(['second'])
    expect(passing.size).toBe(1)

    second()
    expect(passing.all()).toEqual([])
    expect(passing.size).toBe(0)
  })

  it('lets go only of itself, also where somebody was before', () => {
    const passing = new Passing<string>()
    passing.add('who stays')
    for (let i = 0; i < 100; i++) {
      const leave = passing.add(`guest ${i}`)
      expect(passing.size).toBe(2)
      leave()
    }
    expect(passing.all()).toEqual(['who stays'])
  })
})
