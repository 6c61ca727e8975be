import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sql } from 'kysely'
import type { Database } from '../../db/database.ts'
import { openDatabase } from '../../db/open.ts'
import { type Tx, transaction } from '../../db/transaction.ts'
import { labClock } from '../lib/lab-clock.ts'
import { Notifier } from './notifier.ts'
import { StreamClock } from './stream-clock.ts'

let db: Database
let removeData: () => Promise<unknown>
beforeAll(async () => {
  const url = process.env.HOURGLASS_TEST_DATABASE_URL
  const dataDir = await mkdtemp(join(tmpdir(), 'hourglass-'))
  const schema = `test_${randomBytes(8).toString('hex')}`
  db = await openDatabase(url === undefined ? { dataDir } : { dataDir, url, schema })
  removeData = async () => {
    if (url !== undefined) await sql`DROP SCHEMA ${sql.id(schema)} CASCADE`.execute(db.q)
    await db.close()
    await rm(dataDir, { recursive: true, force: true })
  }
})
afterAll(() => removeData())

/** So few that a test comes to the end of a block. */
const blockSize = 1_000

/** A stream clock, and what it has told the waiting, in order. */
async function start() {
  const notifier = new Notifier(labClock(0))
  const published: [position: number, topic: string][] = []
  notifier.publish = (position, topics) => {
    for (const topic of topics) published.push([position, topic])
  }
  return { positions: await StreamClock.start(db, notifier, blockSize), published }
}

/** A transaction that ends when the test says so; on PGlite no two real ones can be open at once. */
function heldTransaction() {
  const endings: ((committed: boolean) => void)[] = []
  const tx = { onEnd: (run: (committed: boolean) => void) => endings.push(run) } as unknown as Tx
  const end = (committed: boolean) => {
    for (const ending of endings) ending(committed)
  }
  return { tx, commit: () => end(true), rollBack: () => end(false) }
}

describe('a position is settled when nothing at or below it is in flight', () => {
  test.each(['commit', 'rollBack'] as const)(
    'the later commits first: it is held back until the earlier ends in a %s',
    async how => {
      const { positions, published } = await start()
      const before = positions.settled()
      const earlier = heldTransaction()
      const later = heldTransaction()
      const first = positions.take(earlier.tx, ['earlier'])
      const second = positions.take(later.tx, ['later'])
      expect(second).toBeGreaterThan(first)
      expect(positions.latest()).toBe(second)

      later.commit()
      expect(positions.settled()).toBe(before)
      expect(published).toEqual([])

      earlier[how]()
      expect(positions.settled()).toBe(second)
      const ofEarlier = how === 'commit' ? [[first, 'earlier']] : []
      expect(new Set(published)).toEqual(new Set([...ofEarlier, [second, 'later']]))
    },
  )

  test('the earlier commits first: it is told of at once, the later when it commits', async () => {
    const { positions, published } = await start()
    const earlier = heldTransaction()
    const later = heldTransaction()
    const first = positions.take(earlier.tx, ['earlier'])
    const second = positions.take(later.tx, ['later'])
    earlier.commit()
    expect(positions.settled()).toBe(first)
    expect(published).toEqual([[first, 'earlier']])
    later.commit()
    expect(positions.settled()).toBe(second)
    expect(published).toEqual([
      [first, 'earlier'],
      [second, 'later'],
    ])
  })

  test('for every order in which four transactions can end', async () => {
    for (const order of permutations([0, 1, 2, 3])) {
      const { positions, published } = await start()
      const open = order.map(() => heldTransaction())
      const taken = open.map(({ tx }, index) => positions.take(tx, [`topic ${index}`]))
      const ended = new Set<number>()
      for (const index of order) {
        // The third rolls back: it must neither be told of nor hold up the others.
        if (index === 2) open[index]?.rollBack()
        else open[index]?.commit()
        ended.add(index)
        const lowestOpen = taken.findIndex((_, other) => !ended.has(other))
        const settled = lowestOpen < 0 ? taken.at(-1) : (taken[lowestOpen] ?? 0) - 1
        expect(positions.settled()).toBe(settled)
        const expected = taken.flatMap((position, other) =>
          ended.has(other) && other !== 2 && position <= positions.settled() ? [position] : [],
        )
        expect(published.map(([position]) => position).sort((a, b) => a - b)).toEqual(expected)
      }
    }
  })

  test('all positions of one transaction are settled together', async () => {
    const { positions } = await start()
    const { tx, commit } = heldTransaction()
    const before = positions.settled()
    for (let count = 0; count < 7; count++) positions.take(tx, [])
    expect(positions.settled()).toBe(before)
    commit()
    expect(positions.settled()).toBe(before + 7)
  })

  test('what lives in memory is true at once, and still waits for what is in flight', async () => {
    const { positions, published } = await start()
    const alone = positions.takeNow(['presence'])
    expect(positions.settled()).toBe(alone)
    const { tx, commit } = heldTransaction()
    positions.take(tx, ['room'])
    const behind = positions.takeNow(['presence'])
    expect(positions.settled()).toBe(alone)
    expect(published).toEqual([[alone, 'presence']])
    commit()
    expect(positions.settled()).toBe(behind)
    expect(published).toHaveLength(3)
  })

  test('a real transaction holds its position until it has committed', async () => {
    const { positions, published } = await start()
    const before = positions.settled()
    const position = await transaction(db, async tx => {
      const taken = positions.take(tx, ['room'])
      await sql`SELECT 1`.execute(tx.q)
      expect(positions.settled()).toBe(before)
      return taken
    })
    expect(positions.settled()).toBe(position)
    expect(published).toEqual([[position, 'room']])
    const failing = transaction(db, async tx => {
      positions.take(tx, ['room'])
      throw new Error('rolled back')
    })
    await expect(failing).rejects.toThrow('rolled back')
    expect(positions.settled()).toBe(positions.latest())
    expect(published).toHaveLength(1)
  })
})

describe('positions go upwards', () => {
  test('over the boundary of a block, also one that another has bought in between', async () => {
    const { positions } = await start()
    const { positions: other } = await start()
    let last = positions.latest()
    for (let count = 1; count <= 2.5 * blockSize; count++) {
      const position = positions.takeNow([])
      expect(position > last).toBe(true)
      last = position
      // Where it has bought ahead, let the purchase arrive.
      if (count % (blockSize / 4) === 0) await positions.stop()
    }
    expect(last).toBeGreaterThan(other.latest() + blockSize)
  })

  test('over a block boundary the earlier block still holds back the later', async () => {
    const { positions } = await start()
    const { tx, commit } = heldTransaction()
    const before = positions.settled()
    positions.take(tx, [])
    for (let count = 1; count <= blockSize; count++) {
      positions.takeNow([])
      if (count % (blockSize / 4) === 0) await positions.stop()
    }
    expect(positions.settled()).toBe(before)
    commit()
    expect(positions.settled()).toBe(positions.latest())
  })

  test('over a restart', async () => {
    const { positions: before } = await start()
    const last = before.takeNow([])
    await before.stop()
    const { positions: after } = await start()
    expect(after.settled()).toBeGreaterThanOrEqual(last)
    expect(after.takeNow([])).toBeGreaterThan(last)
  })
})

function permutations(items: number[]): number[][] {
  if (items.length <= 1) return [items]
  return items.flatMap(first =>
    permutations(items.filter(item => item !== first)).map(rest => [first, ...rest]),
  )
}
