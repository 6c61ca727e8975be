import { labClock } from './lab-clock.ts'

const start = 1_000_000

describe('a clock that stands still', () => {
  const settled = async () => undefined

  test('stands still until it is moved', async () => {
    const clock = labClock(start)
    expect(clock.now()).toBe(start)
    await clock.advance(5, settled)
    expect(clock.now()).toBe(start + 5)
  })

  test('a timer sees its own moment, in the order of time and then of setting', async () => {
    const clock = labClock(start)
    const rings: [string, number][] = []
    const ring = (name: string) => () => rings.push([name, clock.now() - start])
    clock.timer(start + 30, ring('c'))
    clock.timer(start + 10, ring('a'))
    clock.timer(start + 10, ring('b'))
    clock.timer(start + 31, ring('later'))
    await clock.advance(30, settled)
    expect(rings).toEqual([
      ['a', 10],
      ['b', 10],
      ['c', 30],
    ])
    expect(clock.now()).toBe(start + 30)
    expect(clock.pendingTimers()).toBe(1)
  })

  test('what a timer starts is awaited before time moves on', async () => {
    const clock = labClock(start)
    const seen: number[] = []
    let work = Promise.resolve()
    for (const ms of [10, 20]) {
      clock.timer(start + ms, () => {
        work = (async () => {
          for (let i = 0; i < 5; i++) await Promise.resolve()
          seen.push(clock.now() - start)
        })()
      })
    }
    await clock.advance(100, () => work)
    expect(seen).toEqual([10, 20])
  })

  test('a timer that is set by a timer rings on the same way', async () => {
    const clock = labClock(start)
    const rings: number[] = []
    const tick = () => {
      rings.push(clock.now() - start)
      clock.timer(clock.now() + 10, tick)
    }
    clock.timer(start + 10, tick)
    await clock.advance(35, settled)
    expect(rings).toEqual([10, 20, 30])
  })

  test('a timer whose time is past rings at once, but not before timer() has returned', async () => {
    const clock = labClock(start)
    let rings = 0
    clock.timer(start, () => {
      rings += 1
    })
    expect(rings).toBe(0)
    await Promise.resolve()
    expect(rings).toBe(1)
    expect(clock.pendingTimers()).toBe(0)
  })

  test('a timer that was cancelled does not ring, even if its time is past', async () => {
    const clock = labClock(start)
    let rings = 0
    for (const at of [start, start + 10]) {
      clock
        .timer(at, () => {
          rings += 1
        })
        .cancel()
    }
    await clock.advance(20, settled)
    expect(rings).toBe(0)
    expect(clock.pendingTimers()).toBe(0)
  })
})
