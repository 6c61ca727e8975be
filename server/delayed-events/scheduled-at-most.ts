/**
 * How many events users have scheduled, at the most. Only scheduling makes them more; everything else
 * makes them fewer, and need not say so. So they are counted only when the bound that is remembered
 * would reach the limit, and scheduling costs a user who has many no more than one who has none.
 */
import type { Tx } from '../../db/transaction.ts'
import { Passing } from '../lib/passing.ts'
import { RecentMap } from '../lib/recent-map.ts'

/** More users than this are not remembered; the one who scheduled longest ago is forgotten first. */
const mostUsers = 10_000

export class ScheduledAtMost {
  readonly #bounds = new RecentMap<string, number>(mostUsers)
  /** For whom transactions that have not ended schedule: others can not count those yet. */
  readonly #underWay = new Passing<{ tx: Tx; userIds: string[] }>()

  /**
   * Let these users schedule one each. The transaction holds their rows before it counts, or stores.
   *
   * @param userIds one as often as they schedule
   * @param count counts what users have scheduled now
   * @param mayHaveCancelled whether the transaction may have made them fewer already. Perhaps that is
   *   undone, so what is counted there is not remembered
   * @returns takes one; false: it would be beyond the limit
   */
  async within(
    tx: Tx,
    limit: number,
    userIds: readonly string[],
    count: (userIds: readonly string[]) => Promise<ReadonlyMap<string, number>>,
    mayHaveCancelled = false,
  ): Promise<(userId: string) => boolean> {
    const wanted = new Map<string, number>()
    for (const userId of userIds) wanted.set(userId, (wanted.get(userId) ?? 0) + 1)
    const left = new Map<string, number>()
    const take = (userId: string, bound: number, isRemembered: boolean) => {
      const times = Math.max(0, Math.min(wanted.get(userId) ?? 0, limit - bound))
      left.set(userId, times)
      if (isRemembered) this.#bounds.set(userId, bound + times)
      else this.#bounds.delete(userId)
      for (let i = 0; i < times; i++) this.#underWayIn(tx).push(userId)
    }
    const unclear: string[] = []
    for (const [userId, times] of wanted) {
      const bound = this.#bounds.get(userId)
      if (bound === undefined || bound + times > limit) unclear.push(userId)
      else take(userId, bound, true)
    }
    let counts = unclear.length === 0 ? new Map<string, number>() : await count(unclear)
    const boundOf = (userId: string) =>
      (counts.get(userId) ?? 0) + this.#underWayBesides(tx, userId)
    // Who was just committing may be in both; after another look, only who waits for us is.
    const isDoubtful = (userId: string) =>
      this.#underWayBesides(tx, userId) > 0 && boundOf(userId) + (wanted.get(userId) ?? 0) > limit
    if (unclear.some(isDoubtful)) counts = await count(unclear)
    for (const userId of unclear) take(userId, boundOf(userId), !mayHaveCancelled)
    return userId => {
      const times = left.get(userId) ?? 0
      left.set(userId, times - 1)
      return times > 0
    }
  }

  #underWayIn(tx: Tx): string[] {
    const known = this.#underWay.all().find(one => one.tx === tx)
    if (known) return known.userIds
    const userIds: string[] = []
    tx.onEnd(this.#underWay.add({ tx, userIds }))
    return userIds
  }

  #underWayBesides(tx: Tx, userId: string): number {
    return this.#underWay
      .all()
      .flatMap(other => (other.tx === tx ? [] : other.userIds))
      .filter(one => one === userId).length
  }
}
