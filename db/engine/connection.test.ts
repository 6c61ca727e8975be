/** What is sent without waiting for its answer is as much part of its transaction as all else. */
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sql } from 'kysely'
import pg from 'pg'
import type { Database } from '../database.ts'
import { openDatabase } from '../open.ts'
import { presume } from '../presume.ts'
import { presumingTransaction, type Tx, transaction } from '../transaction.ts'
import { unawaited } from './connection.ts'

const url = process.env.HOURGLASS_TEST_DATABASE_URL
const schema = `test_${randomBytes(8).toString('hex')}`
let dataDir: string
let db: Database
beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'hourglass-'))
  db = await openDatabase({ dataDir, url, schema })
  await sql`CREATE TABLE things (id integer PRIMARY KEY)`.execute(db.q)
})
afterAll(async () => {
  await db.close()
  await rm(dataDir, { recursive: true, force: true })
  if (url === undefined) return
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  await client.query(`SET client_min_messages = error; DROP SCHEMA ${schema} CASCADE`)
  await client.end()
})
beforeEach(async () => {
  await sql`DELETE FROM things`.execute(db.q)
})

const insert = (tx: Tx, id: number) =>
  sql`INSERT INTO things VALUES (${id}) ${unawaited}`.execute(tx.q)
const insertAndWait = (tx: Tx, id: number) => sql`INSERT INTO things VALUES (${id})`.execute(tx.q)
const ids = async () =>
  (await sql<{ id: number }>`SELECT id FROM things ORDER BY id`.execute(db.q)).rows.map(
    row => row.id,
  )
const taken = { code: '23505', table: 'things' }

test('what was sent before COMMIT is there after it, in order', async () => {
  await transaction(db, async tx => {
    await insert(tx, 1)
    await insertAndWait(tx, 2)
    await insert(tx, 3)
    await sql`UPDATE things SET id = id + 10 WHERE id < 3 ${unawaited}`.execute(tx.q)
    await insert(tx, 4)
  })
  expect(await ids()).toEqual([3, 4, 11, 12])
})

test('the rows that a statement gives which nobody waits for are there after COMMIT', async () => {
  const returned = await transaction(db, async tx => {
    await insert(tx, 1)
    const { rows } = await sql`UPDATE things SET id = 2 RETURNING id ${unawaited}`.execute(tx.q)
    expect(rows).toEqual([])
    return rows
  })
  expect(returned).toEqual([{ id: 2 }])
})

test('COMMIT fails with the reason of what failed, and nothing is kept', async () => {
  await transaction(db, tx => insert(tx, 1))
  let ended: boolean | undefined
  const failing = transaction(db, async tx => {
    tx.onEnd(committed => {
      ended = committed
    })
    await insert(tx, 2)
    await insert(tx, 1)
    await insert(tx, 3)
  })
  await expect(failing).rejects.toMatchObject(taken)
  expect(ended).toBe(false)
  expect(await ids()).toEqual([1])
})

test('a refusal by what was presumed counts only if the database has nothing to say', async () => {
  await transaction(db, tx => insert(tx, 1))
  const refuse = (rest: (tx: Tx) => Promise<unknown>) => {
    const mays: boolean[] = []
    const refused = presumingTransaction(db, async tx => {
      mays.push(tx.mayPresume)
      await rest(tx)
      throw new Error('refused')
    })
    return refused.catch((error: Error & { code?: string }) => [error.code ?? error.message, mays])
  }
  expect(await refuse(tx => presume(tx, sql`true`))).toEqual(['refused', [true]])
  const takeFirst = async (tx: Tx) => {
    if (tx.mayPresume) await presume(tx, sql`false`)
  }
  expect(await refuse(takeFirst)).toEqual(['refused', [true, false]])
  const presumeAndFail = async (tx: Tx) => {
    await presume(tx, sql`true`)
    await insert(tx, 1)
  }
  expect(await refuse(presumeAndFail)).toEqual(['23505', [true]])
})

test('the statement that is waited for next fails with that reason, too', async () => {
  await transaction(db, tx => insert(tx, 1))
  const failing = transaction(db, async tx => {
    await insert(tx, 1)
    await insertAndWait(tx, 2)
  })
  await expect(failing).rejects.toMatchObject(taken)
  expect(await ids()).toEqual([1])
})

test('who gives up after a statement that failed unseen gets the reason of their own', async () => {
  await transaction(db, tx => insert(tx, 1))
  const failing = transaction(db, async tx => {
    await insert(tx, 1)
    throw new Error('enough')
  })
  await expect(failing).rejects.toThrow('enough')
  expect(await ids()).toEqual([1])
})

test('what the driver itself cannot send is not left out: nothing is kept', async () => {
  const endless: { self?: unknown } = {}
  endless.self = endless
  const failing = transaction(db, async tx => {
    await insert(tx, 1)
    await sql`INSERT INTO things VALUES (${endless}) ${unawaited}`.execute(tx.q)
  })
  await expect(failing).rejects.toThrow('circular')
  expect(await ids()).toEqual([])
  await transaction(db, tx => insert(tx, 2))
  expect(await ids()).toEqual([2])
})

test('the database is not given up for a refusal that COMMIT tells of', async () => {
  await transaction(db, tx => insert(tx, 1))
  await expect(transaction(db, tx => insert(tx, 1))).rejects.toMatchObject(taken)
  await transaction(db, tx => insert(tx, 2))
  expect(await ids()).toEqual([1, 2])
})
