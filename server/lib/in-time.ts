/** Waiting, but not for ever. */
import { systemClock } from './clock.ts'

/** @param ms in the machine's time @returns whether the work was done by then */
export async function inTime(work: Promise<unknown>, ms: number): Promise<boolean> {
  let giveUp: () => void = () => undefined
  const patience = new Promise<void>(resolve => {
    giveUp = resolve
  })
  const timer = systemClock.timer(systemClock.now() + ms, () => giveUp())
  try {
    return await Promise.race([work.then(() => true), patience.then(() => false)])
  } finally {
    timer.cancel()
  }
}
