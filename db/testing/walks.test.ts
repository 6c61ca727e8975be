import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sql } from 'kysely'
import type { Database } from '../database.ts'
import { openDatabase } from '../open.ts'
import { walksOf } from './walks.ts'

const url = process.env.HOURGLASS_TEST_DATABASE_URL
const schema = `test_${randomBytes(8).toString('hex')}`

let dataDir: string
let db: Database
beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'hourglass-walks-'))
  db = await openDatabase({ url, schema, dataDir, maxConnections: 1 })
  await sql`CREATE TABLE walked (a int, b int)`.execute(db.q)
  await sql`CREATE INDEX walked_by_both ON walked (a, b)`.execute(db.q)
})
afterAll(async () => {
  await sql`DROP SCHEMA IF EXISTS ${sql.id(schema)} CASCADE`.execute(db.q)
  await db.close()
  await rm(dataDir, { recursive: true })
})

test.each([
  ['the first column', 'a = $1', []],
  ['the first column, and another', 'a = $1 AND b > 0', []],
  ['another column', 'b = $1', ['walked_by_both']],
  [
    'another column, where there is any value in the first',
    'a IS NOT NULL AND b = $1',
    ['walked_by_both'],
  ],
  ['what is in no index', 'a + b = $1', ['walked_by_both']],
])('what is looked up by %s', async (_, condition, walked) => {
  const query = sql`SELECT a FROM walked WHERE `
  const [before = '', after = ''] = condition.split('$1')
  const walks = await walksOf(db, () =>
    sql`${query}${sql.raw(before)}${1}::int${sql.raw(after)}`.execute(db.q),
  )
  expect([...new Set(walks.map(({ name }) => name))]).toEqual(walked)
})
