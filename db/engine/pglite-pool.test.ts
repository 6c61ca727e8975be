/** Many share the one connection of an embedded database, and each is served as if alone. */
import { setImmediate } from 'node:timers/promises'
import { sql } from 'kysely'
import pg from 'pg'
import { gate } from '../testing/test-gate.ts'
import { type Pool, transaction } from '../transaction.ts'
import { kyselyOn } from './connection.ts'
import { startEngine } from './pglite-engine.ts'
import { PgliteConnection } from './pglite-pool.ts'
import { PgliteSocket } from './pglite-socket.ts'

const lose = (reason: Error) => {
  throw reason
}

let journeys = 0
let connection: PgliteConnection
let db: Pool
beforeAll(async () => {
  const engine = await startEngine({}, lose)
  const counted: typeof engine = {
    ask(messages, answer) {
      journeys += 1
      engine.ask(messages, answer)
    },
    close: () => engine.close(),
  }
  const socket = new PgliteSocket(counted)
  const client = new pg.Client({ stream: () => socket, pipeline: true })
  await client.connect()
  connection = new PgliteConnection(counted, client)
  db = { q: kyselyOn(connection.pool()), lose }
  await sql`CREATE TABLE notes (note text PRIMARY KEY)`.execute(db.q)
})
beforeEach(() => sql`DELETE FROM notes`.execute(db.q))
afterAll(() => connection.close())

async function notes(): Promise<string[]> {
  const { rows } = await sql<{ note: string }>`SELECT note FROM notes ORDER BY note`.execute(db.q)
  return rows.map(row => row.note)
}

test('what is asked together goes in one journey, and each has its own answer', async () => {
  const before = journeys
  const answers = await Promise.all(
    [1, 2, 3].map(n => sql<{ n: number }>`SELECT ${n}::int AS n`.execute(db.q)),
  )
  expect(answers.map(({ rows }) => rows)).toEqual([[{ n: 1 }], [{ n: 2 }], [{ n: 3 }]])
  expect(journeys - before).toBe(1)
})

test('of what is asked together one may fail', async () => {
  const [first, second, third] = await Promise.allSettled([
    notes(),
    sql`SELECT 1 / ${0}::int`.execute(db.q),
    notes(),
  ])
  expect([first, second, third].map(one => one.status)).toEqual([
    'fulfilled',
    'rejected',
    'fulfilled',
  ])
})

test.each([
  ['commits', ['within']],
  ['fails', []],
])('nobody gets into a transaction, which then %s', async (ending, seen) => {
  const [begun, end] = [gate(), gate()]
  const writing = transaction(db, async tx => {
    await sql`INSERT INTO notes VALUES ('within')`.execute(tx.q)
    begun.open()
    await end.opened
    if (ending === 'fails') throw new Error('not this time')
  })
  await begun.opened
  const before = journeys
  const others = Promise.all([notes(), sql`INSERT INTO notes VALUES ('after')`.execute(db.q)])
  const later = transaction(db, async tx => {
    const { rows } = await sql<{ note: string }>`SELECT note FROM notes`.execute(tx.q)
    return rows.map(row => row.note)
  })
  // They have every chance.
  for (let turn = 0; turn < 10; turn++) await setImmediate()
  expect(journeys).toBe(before)
  end.open()
  const [written, [read], readLater] = await Promise.all([
    writing.then(
      () => 'commits',
      () => 'fails',
    ),
    others,
    later,
  ])
  expect(written).toBe(ending)
  expect(read).toEqual(seen)
  expect(readLater.sort()).toEqual(['after', ...seen])
})

test('who waits for a transaction goes along with its end', async () => {
  const [begun, end] = [gate(), gate()]
  const writing = transaction(db, async tx => {
    await sql`INSERT INTO notes VALUES ('within')`.execute(tx.q)
    begun.open()
    await end.opened
  })
  await begun.opened
  const reading = notes()
  const before = journeys
  end.open()
  await writing
  expect(await reading).toEqual(['within'])
  expect(journeys - before).toBe(1)
})

test('nor into one that sees the tables as they were when it began', async () => {
  const end = gate()
  const reading = db.q
    .transaction()
    .setIsolationLevel('repeatable read')
    .execute(async tx => {
      await sql`SELECT`.execute(tx)
      await end.opened
      return sql<{ note: string }>`SELECT note FROM notes`.execute(tx)
    })
  const writing = sql`INSERT INTO notes VALUES ('after')`.execute(db.q)
  for (let turn = 0; turn < 10; turn++) await setImmediate()
  end.open()
  await writing
  expect((await reading).rows).toEqual([])
  expect(await notes()).toEqual(['after'])
})

test('what waits for its turn when its wire is cut is not done any more', async () => {
  const [begun, end] = [gate(), gate()]
  const others = transaction(db, async tx => {
    await sql`SELECT`.execute(tx.q)
    begun.open()
    await end.opened
  })
  await begun.opened
  const wire = { isCut: false }
  const cutting: Pool = { q: kyselyOn(connection.pool(undefined, wire), wire), lose }
  const waiting = [
    sql`INSERT INTO notes VALUES ('alone')`.execute(cutting.q),
    transaction(cutting, tx => sql`INSERT INTO notes VALUES ('within')`.execute(tx.q)),
  ]
  const outcomes = Promise.allSettled(waiting)
  for (let turn = 0; turn < 10; turn++) await setImmediate()
  const cut = connection.cut(wire)
  end.open()
  await others
  await cut
  expect((await outcomes).map(({ status }) => status)).toEqual(['rejected', 'rejected'])
  expect(await notes()).toEqual([])
})

test('what is open when the wire is cut is undone before anybody else asks', async () => {
  const begun = gate()
  const end = gate()
  const wire = { isCut: false }
  const cutting: Pool = { q: kyselyOn(connection.pool(undefined, wire), wire), lose }
  const writing = transaction(cutting, async tx => {
    await sql`INSERT INTO notes VALUES ('lost')`.execute(tx.q)
    begun.open()
    await end.opened
  })
  await begun.opened
  const cut = connection.cut(wire)
  const reading = notes()
  end.open()
  await expect(writing).rejects.toThrow('the connection was cut')
  await cut
  expect(await reading).toEqual([])
})

test('there is a checkpoint when much has been written, and none for what is read', async () => {
  const checkpoint = async () => {
    const { rows } = await sql<{ at: string }>`
      SELECT checkpoint_lsn::text AS at FROM pg_control_checkpoint()`.execute(db.q)
    return rows[0]?.at
  }
  const use = async (count: number) => {
    for (let i = 0; i < count; i++) await notes()
  }
  await use(20)
  const before = await checkpoint()
  await use(500)
  expect(await checkpoint()).toBe(before)
  await sql`CREATE TABLE large (text text)`.execute(db.q)
  // As random as it need be not to be made smaller.
  const write = () =>
    sql`INSERT INTO large SELECT repeat(md5(n::text), 50) FROM generate_series(1, 3000) AS n`.execute(
      db.q,
    )
  await write()
  await write()
  await use(40)
  expect(await checkpoint()).not.toBe(before)
})
