import { type Clock, systemClock } from './clock.ts'

const start = 1_000_000

describe('systemClock', () => {
  const rung = (at: number, clock: Clock = systemClock) =>
    new Promise<number>(resolve => {
      clock.timer(at, () => resolve(Date.now()))
    })

  test('now() is the time of the machine', () => {
    const before = Date.now()
    const now = systemClock.now()
    expect(now).toBeGreaterThanOrEqual(before)
    expect(now).toBeLessThanOrEqual(Date.now())
  })

  test('a timer is never early', async () => {
    const deadlines = Array.from({ length: 40 }, (_, i) => Date.now() + i)
    const times = await Promise.all(deadlines.map(at => rung(at)))
    for (const [i, at] of deadlines.entries()) expect(times[i]).toBeGreaterThanOrEqual(at)
  })

  test('a timer whose time is past rings once, and not before timer() has returned', async () => {
    let rings = 0
    systemClock.timer(Date.now() - 5_000, () => {
      rings += 1
    })
    expect(rings).toBe(0)
    await rung(Date.now() + 5)
    expect(rings).toBe(1)
  })

  test('a timer that was cancelled does not ring', async () => {
    let rings = 0
    const timer = systemClock.timer(Date.now() + 1, () => {
      rings += 1
    })
    timer.cancel()
    await rung(Date.now() + 10)
    expect(rings).toBe(0)
  })

  describe('where setTimeout and the wall clock are ours to play with', () => {
    const { setTimeout: realSetTimeout } = globalThis
    const realNow = Date.now
    let wallClock = start
    let waits: number[] = []
    let pending: (() => void) | undefined

    beforeEach(() => {
      wallClock = start
      waits = []
      pending = undefined
      Date.now = () => wallClock
      globalThis.setTimeout = ((run: () => void, ms: number) => {
        waits.push(ms)
        pending = run
      }) as unknown as typeof setTimeout
    })
    afterEach(() => {
      Date.now = realNow
      globalThis.setTimeout = realSetTimeout
    })

    function elapse(ms: number): void {
      wallClock += ms
      const run = pending
      pending = undefined
      run?.()
    }

    test('setTimeout that comes a millisecond early is sent back', () => {
      let rings = 0
      systemClock.timer(start + 100, () => {
        rings += 1
      })
      elapse(99)
      expect(rings).toBe(0)
      elapse(1)
      expect(rings).toBe(1)
      expect(waits).toEqual([100, 1])
      expect(pending).toBeUndefined()
    })

    test('a wait longer than 32 bits of milliseconds does not ring at once', () => {
      let rings = 0
      systemClock.timer(start + 2 ** 33, () => {
        rings += 1
      })
      expect(waits[0]).toBeLessThan(2 ** 31)
      elapse(waits[0] ?? 0)
      expect(rings).toBe(0)
    })

    test('a wall clock that is set forward is noticed within seconds', () => {
      let rings = 0
      systemClock.timer(start + 3_600_000, () => {
        rings += 1
      })
      wallClock += 3_600_000
      expect(waits[0]).toBeLessThanOrEqual(10_000)
      elapse(waits[0] ?? 0)
      expect(rings).toBe(1)
    })

    test('a wall clock that is set back delays the timer', () => {
      let rings = 0
      systemClock.timer(start + 100, () => {
        rings += 1
      })
      elapse(-1_000)
      expect(rings).toBe(0)
      elapse(1_100)
      expect(rings).toBe(1)
    })
  })
})
