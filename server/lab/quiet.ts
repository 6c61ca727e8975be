/** Waiting until all that time has brought about can be seen. */
import type { Context } from '../context.ts'
import { inTime } from '../lib/in-time.ts'
import type { Company } from './company.ts'
import { Lab } from './lab.ts'

/**
 * Waiting for somebody else's server goes by the machine's time, in steps: while this process itself is
 * held up, only one of them passes.
 */
const stepMs = 100
/** So many steps in which nobody finishes, for who has asked somebody else's server. */
const patience = 20
/** The same for who did not answer the last time. */
const patienceWithTheSilent = 5
/** The same for requests, whose work is our own: but for one whose client has sent half of it. */
const patienceWithRequests = 50

/** More rounds than consequences of consequences take: whoever is at work then has been asked by others. */
const mostRounds = 100

/** Who did not answer, and what they were at: that is waited for once, not at every step of the clock. */
const silent = new WeakMap<object, object>()

/**
 * Until what is due has been sent, and `/sync` tells of it: delayed events are decided, every
 * position is settled, whoever waited in a long poll and was woken has been answered, and push
 * gateways and application services have been told, or the next attempt is set. One that does not
 * answer at all is waited for 2 s, and half a second at its next attempts: its time-out is on the clock
 * that stands still.
 */
export async function untilQuiet(ctx: Context): Promise<void> {
  for (let round = 0; round < mostRounds; round++) {
    await ctx.scheduler.idle()
    await ctx.sweeper.idle()
    await ctx.roomDeletions.idle()
    await ctx.positions.idle()
    for (const one of companyOf(ctx)) await one.idle()
    await untilAnswered(awaited(ctx))
    // What any of this has woken begins in this turn of the loop, and shows in the next.
    await new Promise(resolve => setImmediate(resolve))
    if (isQuiet(ctx)) return
  }
}

type Work = [who: object, work: Promise<void>, steps: number]

/** Who is at work that leads to others, but for those who were waited for in vain. */
function awaited({ pushDelivery, notifier, transactions }: Context): Work[] {
  const all: Work[] = [
    ...pushDelivery.atWork().map(([who, work]): Work => [who, work, patience]),
    ...notifier.atWork().map(([who, work]): Work => {
      return [who, work, transactions.isTelling(who) ? patience : patienceWithRequests]
    }),
  ]
  return all.filter(([who, work]) => silent.get(who) !== work)
}

async function untilAnswered(works: readonly Work[]): Promise<void> {
  let finished = 0
  const one = async ([who, work, stepsAtFirst]: Work) => {
    const steps = silent.has(who) ? patienceWithTheSilent : stepsAtFirst
    let seen = finished
    for (let left = steps; left > 0; left--) {
      if (await inTime(work, stepMs)) {
        finished += 1
        silent.delete(who)
        return
      }
      if (finished > seen) left = steps
      seen = finished
    }
    silent.set(who, work)
  }
  await Promise.all(works.map(one))
}

function isQuiet(ctx: Context): boolean {
  const { scheduler, sweeper, roomDeletions, positions } = ctx
  const own = [scheduler, sweeper, roomDeletions, positions, ...companyOf(ctx)]
  return own.every(one => one.isIdle()) && awaited(ctx).length === 0
}

function companyOf({ lab }: Context): Company[] {
  return lab instanceof Lab ? [...lab.company] : []
}
