/**
 * How many events users have scheduled, at the most. Only scheduling makes them more, and it holds the
 * user's row meanwhile; everything else makes them fewer, and need not say so. So they are counted
 * only when the bound that is remembered would reach the limit, and scheduling costs a user who has
 * many no more than one who has none.
 */

/** More users than this are not remembered; the one who scheduled longest ago is forgotten first. */
const mostUsers = 10_000

export class ScheduledAtMost {
  readonly #bounds = new Map<string, number>()

  /**
   * Let these users schedule one each. Their rows are held until that is committed or undone: in
   * either case the bounds stay bounds.
   *
   * @param userIds one as often as they schedule
   * @param count counts what users have scheduled now
   * @returns takes one; false: it would be beyond the limit
   */
  async within(
    limit: number,
    userIds: readonly string[],
    count: (userIds: readonly string[]) => Promise<ReadonlyMap<string, number>>,
  ): Promise<(userId: string) => boolean> {
    const wanted = new Map<string, number>()
    for (const userId of userIds) wanted.set(userId, (wanted.get(userId) ?? 0) + 1)
    const bounds = new Map<string, number>()
    for (const [userId, times] of wanted) {
      const bound = this.#bounds.get(userId)
      if (bound !== undefined && bound + times <= limit) bounds.set(userId, bound)
    }
    const unclear = [...wanted.keys()].filter(userId => !bounds.has(userId))
    const counts = unclear.length === 0 ? new Map<string, number>() : await count(unclear)
    for (const userId of unclear) bounds.set(userId, counts.get(userId) ?? 0)
    return userId => {
      const bound = bounds.get(userId) ?? limit
      if (bound >= limit) return false
      bounds.set(userId, bound + 1)
      this.#remember(userId, bound + 1)
      return true
    }
  }

  #remember(userId: string, bound: number): void {
    this.#bounds.delete(userId)
    this.#bounds.set(userId, bound)
    for (const oldest of this.#bounds.keys()) {
      if (this.#bounds.size <= mostUsers) return
      this.#bounds.delete(oldest)
    }
  }
}
