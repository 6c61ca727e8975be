import { heldTransaction } from '../../db/testing/test-transaction.ts'
import type { Tx } from '../../db/transaction.ts'
import { ScheduledAtMost } from './scheduled-at-most.ts'

const alice = '@alice:hs1'
const bob = '@bob:hs1'

/** A bound beside what is true, and how often that was counted. */
class World {
  readonly atMost = new ScheduledAtMost()
  readonly scheduled = new Map<string, number>()
  readonly countings: string[][] = []
  onCount: (() => void) | undefined

  /** In a transaction. @returns for each, in their order, whether they may */
  async schedule(limit: number, ...userIds: string[]): Promise<boolean[]> {
    const { tx, end } = heldTransaction()
    const take = await this.begin(tx, limit, ...userIds)
    const outcomes = userIds.map(take)
    outcomes.forEach((isTaken, i) => {
      if (isTaken) this.store(userIds[i] ?? '')
    })
    end()
    return outcomes
  }

  begin(tx: Tx, limit: number, ...userIds: string[]): Promise<(userId: string) => boolean> {
    return this.atMost.within(tx, limit, userIds, ids => this.#count(ids))
  }

  /** As {@link begin}, where the transaction has cancelled all of them before. */
  beginAfterCancelling(tx: Tx, limit: number, userId: string) {
    return this.atMost.within(tx, limit, [userId], async () => new Map(), true)
  }

  async #count(ids: readonly string[]): Promise<Map<string, number>> {
    this.countings.push([...ids])
    const counts = new Map(ids.flatMap(id => this.#scheduledOf(id)))
    await this.onCount?.()
    return counts
  }

  store(userId: string): void {
    this.scheduled.set(userId, (this.scheduled.get(userId) ?? 0) + 1)
  }

  /** As the database answers: who has none is left out. */
  #scheduledOf(userId: string): [string, number][] {
    const count = this.scheduled.get(userId)
    return count ? [[userId, count]] : []
  }
}

describe('how many events users have scheduled, at the most', () => {
  let world: World
  beforeEach(() => {
    world = new World()
  })

  test('who is new is counted once, and then not until the limit would be reached', async () => {
    world.scheduled.set(alice, 2)
    for (const _ of [3, 4, 5]) expect(await world.schedule(5, alice)).toEqual([true])
    expect(world.countings).toEqual([[alice]])
    expect(await world.schedule(5, alice)).toEqual([false])
    expect(world.countings).toEqual([[alice], [alice]])
  })

  test('what became fewer meanwhile is seen when it matters, and not before', async () => {
    for (const _ of [1, 2, 3]) await world.schedule(3, alice)
    world.scheduled.set(alice, 1)
    expect(await world.schedule(3, alice)).toEqual([true])
    expect(world.countings).toHaveLength(2)
    // Counted anew, the bound is what it was worth: two of three.
    expect(await world.schedule(3, alice)).toEqual([true])
    expect(world.countings).toHaveLength(2)
    expect(await world.schedule(3, alice)).toEqual([false])
    expect(world.countings).toHaveLength(3)
  })

  test('what a transaction has cancelled is scheduled again if it is undone', async () => {
    for (const _ of [1, 2, 3]) await world.schedule(3, alice)
    const { tx, end } = heldTransaction()
    const takeOne = await world.beginAfterCancelling(tx, 3, alice)
    expect(takeOne(alice)).toBe(true)
    end(false)
    expect(await world.schedule(3, alice)).toEqual([false])
  })

  test('of several at once, as many are taken as there is room for, in their order', async () => {
    world.scheduled.set(alice, 3)
    expect(await world.schedule(5, alice, bob, alice, alice)).toEqual([true, true, true, false])
    expect(world.countings).toEqual([[alice, bob]])
  })

  test('so many at once as might go beyond the limit are counted, each user once', async () => {
    await world.schedule(5, alice, bob)
    await world.schedule(5, alice, alice, alice, alice, bob)
    expect(world.countings).toEqual([[alice, bob]])
    world.scheduled.set(alice, 4)
    expect(await world.schedule(5, alice, alice, bob)).toEqual([true, false, true])
    expect(world.countings).toEqual([[alice, bob], [alice]])
  })

  test('one that is undone leaves the bound too high, which costs a count and nothing else', async () => {
    await world.schedule(2, alice)
    world.scheduled.delete(alice)
    expect(await world.schedule(2, alice)).toEqual([true])
    expect(await world.schedule(2, alice)).toEqual([true])
    expect(await world.schedule(2, alice)).toEqual([false])
    expect(world.countings).toHaveLength(3)
  })

  test('what others are about to schedule is not forgotten by who counts meanwhile', async () => {
    await world.schedule(9, alice)
    const [one, two] = [heldTransaction(), heldTransaction()]
    const takeOne = await world.begin(one.tx, 3, alice)
    // Near the limit, so they are counted: there is one.
    const takeTwo = await world.begin(two.tx, 3, alice, alice)
    expect([takeOne(alice), takeTwo(alice), takeTwo(alice)]).toEqual([true, true, false])
    for (const _ of [1, 2]) world.store(alice)
    for (const { end } of [one, two]) end()
    world.countings.length = 0
    expect(await world.schedule(3, alice)).toEqual([false])
    expect(world.countings).toEqual([[alice]])
  })

  test('who is just committing is not counted twice', async () => {
    await world.schedule(9, alice)
    const one = heldTransaction()
    const takeOne = await world.begin(one.tx, 3, alice)
    expect(takeOne(alice)).toBe(true)
    world.store(alice)
    // It is in the first count, and hears that it is only then.
    world.countings.length = 0
    world.onCount = () => {
      if (world.countings.length === 2) one.end()
    }
    const { tx } = heldTransaction()
    const take = await world.begin(tx, 3, alice, alice)
    expect([take(alice), take(alice)]).toEqual([true, false])
  })

  test('what two schedule at the same time counts for both', async () => {
    await world.schedule(9, alice)
    const [one, two] = [heldTransaction(), heldTransaction()]
    const takes = await Promise.all([world.begin(one.tx, 3, alice), world.begin(two.tx, 3, alice)])
    expect(takes.map(take => take(alice))).toEqual([true, true])
    for (const _ of takes) world.store(alice)
    for (const { end } of [one, two]) end()
    expect(await world.schedule(3, alice)).toEqual([false])
  })

  test('a transaction counts what it has stored itself once', async () => {
    const { tx, end } = heldTransaction()
    for (const _ of [1, 2, 3]) {
      const take = await world.begin(tx, 3, alice)
      expect(take(alice)).toBe(true)
      world.store(alice)
    }
    expect((await world.begin(tx, 3, alice))(alice)).toBe(false)
    end()
  })

  test('who asks and is refused is not remembered as having more', async () => {
    world.scheduled.set(alice, 5)
    expect(await world.schedule(5, alice)).toEqual([false])
    world.scheduled.set(alice, 4)
    expect(await world.schedule(5, alice)).toEqual([true])
  })

  test('a limit of nothing lets nobody', async () => {
    expect(await world.schedule(0, alice)).toEqual([false])
  })

  test('of more than ten thousand users, who scheduled longest ago is counted again', async () => {
    const users = Array.from({ length: 10_000 }, (_, i) => `@user-${i}:hs1`)
    await world.schedule(5, alice, bob, ...users.slice(2))
    await world.schedule(5, alice)
    await world.schedule(5, '@one-more:hs1')
    world.countings.length = 0
    await world.schedule(5, alice)
    expect(world.countings).toEqual([])
    await world.schedule(5, bob)
    expect(world.countings).toEqual([[bob]])
  })
})
