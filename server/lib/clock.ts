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
  /**
   * How long whoever has rested takes to be quick again: so much before a deadline they should look what
   * there is to do, ms. 0: this time waits for those who work.
   */
  readonly wakingMs: number
}

/**
 * A long wait is taken in steps: the wall clock may be set while we wait, and setTimeout, which
 * does not see that, counts in 32 bits anyway.
 */
const longestStepMs = 10_000

/** The machine's own time. Timers are never early: setTimeout may be, by a millisecond. */
export const systemClock: Clock = {
  now: () => Date.now(),
  wakingMs: 10,
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
