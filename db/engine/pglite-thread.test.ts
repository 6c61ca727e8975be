import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sql } from 'kysely'
import type { Database } from '../database.ts'
import { openDatabase } from '../open.ts'
import { gate } from '../testing/test-gate.ts'
import { transaction } from '../transaction.ts'
import { startEngineThread } from './pglite-thread.ts'

let dataDir: string
let db: Database

beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'hourglass-thread-'))
  db = await openDatabase({ dataDir })
})

afterEach(async () => {
  await db.close()
  await rm(dataDir, { recursive: true, force: true })
})

test('who asks at once is answered each with their own, also beside one who is refused', async () => {
  const answers = await Promise.allSettled(
    [1, 0, 2].map(n => sql<{ n: number }>`SELECT 10 / ${n}::int AS n`.execute(db.q)),
  )
  const told = answers.map(answer =>
    answer.status === 'fulfilled' ? answer.value.rows : answer.reason.message,
  )
  expect(told).toEqual([[{ n: 10 }], 'division by zero', [{ n: 5 }]])
})

test('to ask is not to wait: this thread goes on while PostgreSQL works', async () => {
  await db.close()
  const engine = await startEngineThread(join(dataDir, 'pglite'), () => undefined)
  const text = Buffer.from('SELECT 6 * 7\0')
  const head = Buffer.from([0x51, 0, 0, 0, 4 + text.length])
  let answer: Uint8Array | undefined
  const answered = new Promise<void>(resolve => {
    engine.ask([Buffer.concat([head, text])], bytes => {
      answer = bytes
      resolve()
    })
  })
  expect(answer).toBeUndefined()
  await answered
  expect(Buffer.from(answer ?? []).toString('latin1')).toContain('42')
  await engine.close()
  db = await openDatabase({ dataDir })
})

test('a table is looked at when it has grown, and not because it is used', async () => {
  await sql`CREATE TABLE grown AS SELECT generate_series(1, 5000) AS n`.execute(db.q)
  const known = () =>
    sql<{ rows: number }>`
    SELECT reltuples::int AS rows FROM pg_class WHERE relname = 'grown'`.execute(db.q)
  const rowsKnown = async () => (await known()).rows[0]?.rows
  const use = async (times: number) => {
    for (let i = 0; i < times; i++) await sql`SELECT`.execute(db.q)
  }
  expect(await rowsKnown()).toBe(-1)
  await use(2_000)
  expect(await rowsKnown()).toBe(5_000)
  await sql`DELETE FROM grown WHERE n > 4000`.execute(db.q)
  await use(3_000)
  expect(await rowsKnown()).toBe(5_000)
  await sql`INSERT INTO grown SELECT generate_series(1, 10000)`.execute(db.q)
  await use(6_000)
  expect(await rowsKnown()).toBe(14_000)
})

test('what is not committed when it is cut is undone, and what is stays', async () => {
  await sql`CREATE TABLE kept (n int)`.execute(db.q)
  await transaction(db, tx => sql`INSERT INTO kept VALUES (1)`.execute(tx.q))
  const { opened: isCut, open: cut } = gate()
  const unfinished = transaction(db, async tx => {
    await sql`INSERT INTO kept VALUES (2)`.execute(tx.q)
    await isCut
  })
  const cutting = db.cut()
  cut()
  await expect(unfinished).rejects.toThrow('the connection was cut')
  await cutting
  await db.close()
  db = await openDatabase({ dataDir })
  expect((await sql`SELECT n FROM kept`.execute(db.q)).rows).toEqual([{ n: 1 }])
})

test('when PostgreSQL gives up, it is told why, and nobody waits for ever', async () => {
  await rm(join(dataDir, 'pglite', 'pg_wal'), { recursive: true })
  // More than one piece of the log holds.
  const writing = sql`CREATE TABLE large AS SELECT repeat('x', ${2_000}::int)
    FROM generate_series(1, ${5_000}::int)`.execute(db.q)
  await expect(writing).rejects.toThrow()
  expect((await db.lost).message).toMatch(/pg_wal/)
})
