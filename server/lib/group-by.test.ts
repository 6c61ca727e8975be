import { groupBy } from './group-by.ts'

test('each under its key, in order', () => {
  expect([...groupBy([3, 1, 4, 1, 5], n => n % 2)]).toEqual([
    [1, [3, 1, 1, 5]],
    [0, [4]],
  ])
  expect(groupBy([], n => n).size).toBe(0)
})
