/** What has been deleted makes room for what comes, on a database that has nobody in the background. */
import { type RawBuilder, sql } from 'kysely'
import { bytesOf } from '../testing/behind-the-curtain.ts'
import { kyselyOn } from './connection.ts'
import { DeadRows } from './dead-rows.ts'
import { startPglite } from './pglite.ts'
import type { PgliteConnection } from './pglite-pool.ts'

let connection: PgliteConnection
let q: ReturnType<typeof kyselyOn>
let deadRows: DeadRows
const goesOn = () => false

beforeAll(async () => {
  connection = (await startPglite({})).connection
  q = kyselyOn(connection.pool())
})
afterAll(() => connection.close())
beforeEach(async () => {
  await sql`DROP TABLE IF EXISTS notes, letters`.execute(q)
  await sql`CREATE TABLE notes (id int PRIMARY KEY, at int, note text)`.execute(q)
  await sql`CREATE INDEX ON notes (at)`.execute(q)
  await sql`CREATE TABLE letters (id int PRIMARY KEY, letter text STORAGE EXTERNAL)`.execute(q)
  deadRows = new DeadRows({ q })
})

const run = (statement: RawBuilder<unknown>) => statement.execute(q)
const write = (from: number, upTo: number) =>
  run(
    sql`INSERT INTO notes SELECT n, n, 'a note' FROM generate_series(${from}::int, ${upTo}::int) AS n`,
  )

async function timesCleared(table: string): Promise<number> {
  await sql`SELECT pg_stat_force_next_flush()`.execute(q)
  const { rows } = await sql<{ times: number }>`
    SELECT pg_stat_get_vacuum_count(${table}::regclass)::int AS times`.execute(q)
  return rows[0]?.times ?? 0
}

test('tables stay as large as what they hold at a time', async () => {
  const sizes: number[] = []
  for (let round = 0; round < 5; round++) {
    await write(round * 2_000, round * 2_000 + 1_999)
    await run(
      sql`INSERT INTO letters SELECT n, repeat('x', 10000) FROM generate_series(1, 40) AS n`,
    )
    sizes.push((await bytesOf({ q }, 'notes')) + (await bytesOf({ q }, 'letters')))
    await run(sql`DELETE FROM notes`)
    await run(sql`DELETE FROM letters`)
    await deadRows.clear(goesOn)
  }
  // Where free room is looked for is a file of its own, three pages, from the second round on.
  expect(Math.max(...sizes)).toBeLessThan(1.5 * (sizes[0] ?? 0))
})

test('rows that were changed are dead ones, unless they are so within their page', async () => {
  await run(sql`ALTER TABLE notes SET (fillfactor = 50)`)
  await write(1, 1_000)
  await run(sql`UPDATE notes SET note = 'another'`)
  await deadRows.clear(goesOn)
  expect(await timesCleared('notes')).toBe(0)
  await run(sql`UPDATE notes SET at = at + 1`)
  await deadRows.clear(goesOn)
  expect(await timesCleared('notes')).toBe(1)
})

test('a table in which little has died is left alone', async () => {
  await write(1, 5_000)
  await run(sql`ANALYZE notes`)
  await run(sql`DELETE FROM notes WHERE id <= 549`)
  await deadRows.clear(goesOn)
  expect(await timesCleared('notes')).toBe(0)
  await run(sql`DELETE FROM notes WHERE id = 550`)
  await deadRows.clear(goesOn)
  expect(await timesCleared('notes')).toBe(1)
  await deadRows.clear(goesOn)
  expect(await timesCleared('notes')).toBe(1)
})

test('who is stopped goes through no further table', async () => {
  await write(1, 100)
  await run(sql`DELETE FROM notes`)
  await deadRows.clear(() => true)
  expect(await timesCleared('notes')).toBe(0)
})

test('a database never runs out of numbers for transactions', async () => {
  const age = async () => {
    const { rows } = await sql<{ age: number }>`
      SELECT age(datfrozenxid) AS age FROM pg_database WHERE datname = current_database()`.execute(
      q,
    )
    return rows[0]?.age ?? 0
  }
  deadRows = new DeadRows({ q }, (await age()) + 100)
  for (let id = 1; id <= 100; id++) await write(id, id)
  const before = await age()
  await deadRows.clear(goesOn)
  expect(await age()).toBe(before)
  await write(101, 101)
  await deadRows.clear(goesOn)
  expect(await age()).toBeLessThan(100)
})
