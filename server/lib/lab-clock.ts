/**
 * A clock that somebody holds: it can stand still, be moved on, or run at any speed. While it is
 * moved, every timer on the way rings at its own moment, in order, and what it started is finished
 * before time goes on: so it happens as it would have happened.
 */
import type { Clock, Timer } from './clock.ts'

export interface LabClock extends Clock {
  /** How many of its milliseconds pass in one of the machine's; 0: it stands still. */
  speed(): number
  /** Let it pass by itself from now on; 0 lets it stand still. */
  run(speed: number): void
  /**
   * Move time on to `target` (Unix ms), stopping at every timer on the way: each sees its own
   * moment as `now()`, and `settle` is awaited before time moves on. One at a time. Meanwhile time
   * does not pass by itself.
   *
   * @param isEnough asked whenever it has settled: whether to move on no further
   */
  advanceTo(
    target: number,
    settle: () => Promise<void>,
    isEnough?: () => Promise<boolean>,
  ): Promise<void>
  /** The same, by `ms`. */
  advance(ms: number, settle: () => Promise<void>): Promise<void>
  /** Make it another time, earlier or later, at which nothing rings. Not while anybody uses it. */
  reset(to: number): void
  /** How many timers are set; a test that ends with some has leaked them. */
  pendingTimers(): number
}

interface Entry {
  at: number
  run: () => void
}

/** As in systemClock: the machine's clock may be set while we wait. */
const longestStepMs = 10_000

/** @param startAt Unix ms; without it, the machine's time @param speed as of `run` */
export function labClock(startAt: number = Date.now(), speed = 0): LabClock {
  const timers = new Set<Entry>()
  let currentSpeed = speed
  /** What it was at the machine's time `since`; it has run at `currentSpeed` from there. */
  let time = startAt
  let since = Date.now()
  let isHeld = false
  let waiting: { handle: NodeJS.Timeout; until: number } | undefined

  const runs = () => currentSpeed > 0 && !isHeld
  const now = () =>
    runs() ? Math.max(time, Math.floor(time + (Date.now() - since) * currentSpeed)) : time

  function earliest(upTo: number): Entry | undefined {
    let first: Entry | undefined
    for (const timer of timers) {
      if (timer.at <= upTo && (!first || timer.at < first.at)) first = timer
    }
    return first
  }

  /** Go on from `from` at this speed. */
  function goOn(from: number): void {
    time = from
    since = Date.now()
    wait()
  }

  /** Set the machine's timer for the earliest of ours, while time passes by itself. */
  function wait(): void {
    clearTimeout(waiting?.handle)
    waiting = undefined
    const next = runs() ? earliest(Number.POSITIVE_INFINITY) : undefined
    if (!next || next.at === Number.POSITIVE_INFINITY) return
    const leftMs = Math.ceil((next.at - now()) / currentSpeed)
    waiting = {
      handle: setTimeout(ring, Math.max(0, Math.min(leftMs, longestStepMs))),
      until: next.at,
    }
  }

  function ring(): void {
    waiting = undefined
    const upTo = now()
    for (let next = earliest(upTo); next; next = earliest(upTo)) {
      timers.delete(next)
      next.run()
    }
    wait()
  }

  const clock: LabClock = {
    now,
    wakingMs: 0,
    speed: () => currentSpeed,
    run(newSpeed) {
      const from = now()
      currentSpeed = newSpeed
      goOn(from)
    },
    timer(at, run): Timer {
      const timer = { at, run }
      timers.add(timer)
      if (at <= now()) {
        queueMicrotask(() => {
          if (timers.delete(timer)) run()
        })
      } else if (runs() && at < (waiting?.until ?? Number.POSITIVE_INFINITY)) wait()
      return {
        cancel() {
          timers.delete(timer)
          if (timers.size === 0) wait()
        },
      }
    },
    async advanceTo(target, settle, isEnough = async () => false) {
      if (isHeld) throw new Error('the clock is being moved already')
      time = now()
      isHeld = true
      wait()
      try {
        await settle()
        if (await isEnough()) return
        for (let next = earliest(target); next; next = earliest(target)) {
          timers.delete(next)
          time = Math.max(time, next.at)
          next.run()
          await settle()
          if (await isEnough()) return
        }
        time = Math.max(time, target)
        await settle()
      } finally {
        isHeld = false
        goOn(time)
      }
    },
    advance: (ms, settle) => clock.advanceTo(now() + ms, settle),
    reset: goOn,
    pendingTimers: () => timers.size,
  }
  return clock
}
