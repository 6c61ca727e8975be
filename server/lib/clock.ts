/**
 * Time as a thing that is handed in. Nothing else in the server may ask the machine what time it
 * is, or set a timer: that is what lets a test hold a 24-hour delay in its hand.
 */

export interface Timer {
  cancel(): void
}

export interface Clock {
  /** Unix ms. */
  now(): number
  /** Run once when `now() >= at` (Unix ms); at once, but never before returning, if that is past. */
  timer(at: number, run: () => void): Timer
}

/**
 * A long wait is taken in steps: the wall clock may be set while we wait, and setTimeout, which
 * does not see that, counts in 32 bits anyway.
 */
const longestStepMs = 10_000

/** The machine's own time. Timers are never early: setTimeout may be, by a millisecond. */
export const systemClock: Clock = {
  now: () => Date.now(),
  timer(at, run) {
    let handle: NodeJS.Timeout
    const step = () => {
      const leftMs = at - Date.now()
      if (leftMs <= 0) run()
      else handle = setTimeout(step, Math.min(leftMs, longestStepMs))
    }
    handle = setTimeout(step, Math.max(0, Math.min(at - Date.now(), longestStepMs)))
    return { cancel: () => clearTimeout(handle) }
  },
}

export interface VirtualClock extends Clock {
  /**
   * Move time on by `ms`, stopping at every timer on the way: each sees its own moment as `now()`,
   * and `settle` is awaited before time moves on.
   */
  advance(ms: number, settle: () => Promise<void>): Promise<void>
  /** How many timers are set; a test that ends with some has leaked them. */
  pendingTimers(): number
}

/** A clock that moves only when told. @param startAt Unix ms */
export function virtualClock(startAt: number): VirtualClock {
  let time = startAt
  const timers = new Set<{ at: number; run: () => void }>()

  const earliest = (upTo: number) => {
    let first: { at: number; run: () => void } | undefined
    for (const timer of timers) {
      if (timer.at <= upTo && (!first || timer.at < first.at)) first = timer
    }
    return first
  }

  return {
    now: () => time,
    timer(at, run) {
      const timer = { at, run }
      timers.add(timer)
      if (at <= time) {
        queueMicrotask(() => {
          if (timers.delete(timer)) run()
        })
      }
      return { cancel: () => void timers.delete(timer) }
    },
    async advance(ms, settle) {
      const target = time + ms
      await settle()
      for (let next = earliest(target); next; next = earliest(target)) {
        timers.delete(next)
        time = Math.max(time, next.at)
        next.run()
        await settle()
      }
      time = target
      await settle()
    },
    pendingTimers: () => timers.size,
  }
}
