/** Moving the clock. One thing after the other: of two at once, the second begins after the first. */
import { selectNextWakeUp } from '../../db/delayed-events-due.ts'
import { invalidParam } from '../matrix/errors.ts'
import type { Fired } from './fired.ts'
import { FiredSoFar } from './fired-so-far.ts'
import type { Lab } from './lab.ts'
import { untilQuiet } from './quiet.ts'

/** A year and a day: who asks for more has most likely mixed up the units. */
export const longestAdvanceMs = 366 * 86_400_000

/** What the clock says, and how many of its milliseconds pass in one of the machine's. */
export interface ClockState {
  /** Unix ms. */
  now: number
  /** 0: it stands still. */
  speed: number
}

/** With what became of delayed events while the clock moved, in the order in which it did. */
export interface Moved extends ClockState {
  fired: Fired[]
}

export function readClock({ clock }: Lab): ClockState {
  return { now: clock.now(), speed: clock.speed() }
}

/** @param speed 0: stand still */
export function runClock(lab: Lab, speed: number): Promise<ClockState> {
  return lab.inTurn(async () => {
    lab.clock.run(speed)
    return readClock(lab)
  })
}

/** Move time on by `ms`; all that falls due on the way is done, and can be seen by `/sync`. */
export function advance(lab: Lab, ms: number): Promise<Moved> {
  return lab.inTurn(() => moveTo(lab, now => now + ms))
}

/**
 * Move time on to `now` (Unix ms), as `advance`.
 *
 * @throws 400 M_INVALID_PARAM that time is past, or more than a year away
 */
export function setClock(lab: Lab, now: number): Promise<Moved> {
  return lab.inTurn(() => {
    const ms = now - lab.clock.now()
    if (ms < 0) throw invalidParam('now: time does not go back; restore a snapshot instead')
    if (ms > longestAdvanceMs) throw invalidParam(`now: is more than ${longestAdvanceMs} ms away`)
    return moveTo(lab, () => now)
  })
}

/**
 * Move time on, from one timer to the next, until no delayed event has a time at which it is to be
 * sent; the clock then stands where the last one was sent.
 *
 * @param maxMs no further than this
 * @returns `is_idle`: whether that was far enough
 */
export function advanceUntilIdle(lab: Lab, maxMs: number): Promise<Moved & { is_idle: boolean }> {
  return lab.inTurn(async () => {
    const isIdle = async () => (await selectNextWakeUp(lab.context.db, [])) === undefined
    const moved = await moveTo(lab, now => now + maxMs, isIdle)
    return { ...moved, is_idle: await isIdle() }
  })
}

/** @param targetFrom where to, of the time from which it moves: a clock that runs has gone on meanwhile */
async function moveTo(
  lab: Lab,
  targetFrom: (now: number) => number,
  isEnough?: () => Promise<boolean>,
): Promise<Moved> {
  const { context, clock } = lab
  await untilQuiet(context)
  // Taken when the clock is held: after that nothing is left out.
  let soFar: FiredSoFar | undefined
  const settle = async () => {
    await untilQuiet(context)
    if (soFar) await soFar.look()
    else soFar = await FiredSoFar.from(lab)
  }
  await clock.advanceTo(targetFrom(clock.now()), settle, isEnough)
  return { ...readClock(lab), fired: soFar?.fired ?? [] }
}
