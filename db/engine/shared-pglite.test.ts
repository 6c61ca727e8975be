/** The database that the servers of a test share: with tables for several of them, before anybody asks. */
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { sql } from 'kysely'
import { sharedTemplateDir, templateDir } from '../built.ts'
import { SharedPglite } from './shared-pglite.ts'

let shared: SharedPglite
beforeAll(async () => {
  shared = await SharedPglite.start()
})
afterAll(() => shared.stop())

/** What a server finds in a schema that it was given: the ids of its tables, and what they are. */
async function given(schema: string): Promise<{ oids: number[]; shape: unknown[] }> {
  await shared.make(schema)
  const db = await shared.open(schema)
  const { rows: relations } = await sql<{ oid: number }>`
    SELECT oid::int FROM pg_class WHERE relnamespace = current_schema()::regnamespace`.execute(db.q)
  const { rows: columns } = await sql`
    SELECT table_name, column_name, data_type, is_nullable, column_default
    FROM information_schema.columns WHERE table_schema = current_schema()
    ORDER BY table_name, column_name`.execute(db.q)
  const { rows: indexes } = await sql`
    SELECT tablename, replace(indexdef, ${`${schema}.`}, '') AS definition FROM pg_indexes
    WHERE schemaname = current_schema() ORDER BY tablename, indexname`.execute(db.q)
  const { rows: migrations } = await sql`SELECT name FROM migrations ORDER BY name`.execute(db.q)
  await db.close()
  return { oids: relations.map(row => row.oid), shape: [columns, indexes, migrations] }
}

test('four servers at a time find their tables made; the fifth has to wait for its own, which are the same', async () => {
  const db = await shared.open('public')
  const { rows } = await sql<{ last: number }>`SELECT max(oid)::int AS last FROM pg_class`.execute(
    db.q,
  )
  await db.close()
  const last = rows[0]?.last ?? 0
  const all = []
  for (const schema of ['one', 'two', 'three', 'four', 'five']) all.push(await given(schema))
  const isNew = all.map(({ oids }) => oids.every(oid => oid > last))
  expect(isNew).toEqual([false, false, false, false, true])
  for (const { shape } of all) expect(shape).toEqual(all[0]?.shape)
})

test.each([
  ['data directories', templateDir],
  ['databases of tests', sharedTemplateDir],
])('what %s are made from may be read by another user than who installed it', (_, folder) => {
  const all = readdirSync(folder, { recursive: true, encoding: 'utf8' })
  const paths = [folder, ...all.map(name => join(folder, name))]
  const closed = paths.filter(path => {
    const found = statSync(path)
    const needed = found.isDirectory() ? 0o555 : 0o444
    return (found.mode & needed) !== needed
  })
  expect(closed).toEqual([])
})
