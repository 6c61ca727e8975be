/** Waiting until all that time has brought about can be seen. */
import type { Context } from '../context.ts'
import { inTime } from '../lib/in-time.ts'
import type { Company } from './company.ts'
import { Lab } from './lab.ts'

/** So long, in the machine's time, we wait for push gateways and application services. */
const patienceMs = 5_000

/**
 * Until what is due has been sent, and `/sync` tells of it: delayed events are decided, every
 * position is settled, whoever waited in a long poll and was woken has been answered, and push
 * gateways and application services have been told, or the next attempt is set. One that does not
 * answer at all is not waited for longer than 5 s: its time-out is on the clock that stands still.
 */
export async function untilQuiet(ctx: Context): Promise<void> {
  for (;;) {
    await ctx.scheduler.idle()
    await ctx.sweeper.idle()
    await ctx.roomDeletions.idle()
    await ctx.positions.idle()
    for (const one of companyOf(ctx)) await one.idle()
    const isInTime = await inTime(
      Promise.all([ctx.pushDelivery.idle(), ctx.notifier.idle()]),
      patienceMs,
    )
    // What any of this has woken begins in this turn of the loop, and shows in the next.
    await new Promise(resolve => setImmediate(resolve))
    if (!isInTime || isQuiet(ctx)) return
  }
}

function isQuiet(ctx: Context): boolean {
  const { scheduler, sweeper, roomDeletions, positions, pushDelivery, notifier } = ctx
  const own = [scheduler, sweeper, roomDeletions, positions, pushDelivery, notifier]
  return [...own, ...companyOf(ctx)].every(one => one.isIdle())
}

function companyOf({ lab }: Context): Company[] {
  return lab instanceof Lab ? [...lab.company] : []
}
