/**
 * Whole servers as rows: put aside, put back, emptied. A server is the schema that its connections
 * work in; what is put aside lies in a schema beside it: all rows of all tables as text in one
 * table, because making a table takes longer than filling it.
 */
import { type Kysely, sql } from 'kysely'
import type { Schema } from './schema.ts'
import type { Db, Pool } from './transaction.ts'

type Query = Kysely<Schema>

/** Says which schemas are copies, and of which: so that those of a process that was killed go. */
const copyOf = (schema: string) => `hourglass: a snapshot of ${schema}`

/** The tables of a copy. */
const copiedRows = 'copied_rows'
const copiedSequences = 'copied_sequences'

/** Put all rows aside, as they are at one moment, in a schema that is made for it. */
export async function copyAside(db: Pool, into: string): Promise<void> {
  await db.q
    .transaction()
    .setIsolationLevel('repeatable read')
    .execute(async q => {
      const from = await currentSchema(q)
      const tables = await tablesOf(q, from)
      await sql`CREATE SCHEMA ${sql.id(into)}`.execute(q)
      await sql`COMMENT ON SCHEMA ${sql.id(into)} IS ${sql.lit(copyOf(from))}`.execute(q)
      const rows = sql.id(into, copiedRows)
      await sql`CREATE TABLE ${rows} (of_table text NOT NULL, written text NOT NULL)`.execute(q)
      const written = tables.map(
        ({ name }) =>
          sql`SELECT ${sql.lit(name)}, copied::text FROM ${sql.id(from, name)} AS copied`,
      )
      await sql`INSERT INTO ${rows} ${sql.join(written, sql` UNION ALL `)}`.execute(q)
      await sql`CREATE TABLE ${sql.id(into, copiedSequences)} AS
        SELECT sequencename AS name, last_value FROM pg_sequences
        WHERE schemaname = ${sql.lit(from)} AND last_value IS NOT NULL`.execute(q)
    })
}

/**
 * Make all rows what they were when they were put aside. Nobody else may use the tables meanwhile.
 *
 * Numbers that were given out since are not given out again: a client that still holds a token of
 * the future that has become none, asks for what comes after it and is told.
 */
export async function copyBack(db: Pool, from: string): Promise<void> {
  await db.q.transaction().execute(async q => {
    const into = await currentSchema(q)
    const tables = await tablesOf(q, into)
    await deleteRows(q, into, tables)
    await copyRows(q, from, into, tables)
  })
}

/** Fill tables that are empty, those of another server, with what was put aside of this one. */
export async function copyInto(db: Pool, from: string): Promise<void> {
  await db.q.transaction().execute(async q => {
    const into = await currentSchema(q)
    await copyRows(q, from, into, await tablesOf(q, into))
  })
}

async function copyRows(
  q: Query,
  from: string,
  into: string,
  tables: readonly Table[],
): Promise<void> {
  const copied = sql.id(from, copiedRows)
  const { rows: filled } = await sql<{ name: string }>`
    SELECT DISTINCT of_table AS name FROM ${copied}`.execute(q)
  const isFilled = new Set(filled.map(row => row.name))
  for (const { name, columns } of tables.filter(table => isFilled.has(table.name))) {
    const table = sql.id(into, name)
    const names = sql.join(columns.map(column => sql.id(column)))
    const values = sql.join(columns.map(column => sql`(read).${sql.id(column)}`))
    // OFFSET 0: each row is read once, and not once for each of its columns.
    await sql`INSERT INTO ${table} (${names}) OVERRIDING SYSTEM VALUE
      SELECT ${values} FROM (
        SELECT written::${table} AS read FROM ${copied} WHERE of_table = ${sql.lit(name)} OFFSET 0
      ) AS copied`.execute(q)
  }
  const { rows } = await sql<{ name: string; last_value: number }>`
    SELECT copied.name, copied.last_value
    FROM ${sql.id(from, copiedSequences)} AS copied
    LEFT JOIN pg_sequences AS ours ON schemaname = ${into} AND sequencename = copied.name
    WHERE ours.last_value IS NULL OR ours.last_value < copied.last_value`.execute(q)
  for (const { name, last_value } of rows) {
    const sequence = sql.lit(`"${into}"."${name}"`)
    await sql`SELECT setval(${sequence}::regclass, ${last_value})`.execute(q)
  }
}

/** Delete all rows. Nobody else may use the tables meanwhile. @returns how many there were */
export function empty(db: Db): Promise<number> {
  return db.q.transaction().execute(async q => {
    const schema = await currentSchema(q)
    return deleteRows(q, schema, await tablesOf(q, schema))
  })
}

/**
 * Delete all rows of a schema, and let every sequence begin anew, for a server that has nothing in
 * common with the last one. @returns how many rows there were
 */
export function emptyAnew(db: Db, schema: string): Promise<number> {
  return db.q.transaction().execute(async q => {
    const deleted = await deleteRows(q, schema, await tablesOf(q, schema))
    await sql`
      SELECT setval(format('%I.%I', schemaname, sequencename)::regclass, start_value, false)
      FROM pg_sequences WHERE schemaname = ${schema} AND last_value IS NOT NULL`.execute(q)
    return deleted
  })
}

/** Forget what was put aside. */
export async function dropCopy(db: Db, name: string): Promise<void> {
  await sql`DROP SCHEMA IF EXISTS ${sql.id(name)} CASCADE`.execute(db.q)
}

/** Forget what earlier processes have put aside of this server. */
export async function dropCopies(db: Pool): Promise<void> {
  const { rows } = await sql<{ name: string }>`
    SELECT nspname AS name FROM pg_namespace
    WHERE obj_description(oid, 'pg_namespace') = ${copyOf(await currentSchema(db.q))}`.execute(db.q)
  for (const { name } of rows) await dropCopy(db, name)
}

async function currentSchema(q: Query): Promise<string> {
  const { rows } = await sql<{ name: string }>`SELECT current_schema() AS name`.execute(q)
  const [row] = rows
  if (!row) throw new Error('the connection works in no schema')
  return row.name
}

interface Table {
  name: string
  /** Those that can be written. */
  columns: string[]
}

/** Ours, those first to which others refer; without the list of migrations, which stays. */
async function tablesOf(q: Query, schema: string): Promise<Table[]> {
  const { rows } = await sql<Table & { refers_to: string[] }>`
    SELECT relname AS name,
      ARRAY(SELECT attname::text FROM pg_attribute
        WHERE attrelid = tables.oid AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
        ORDER BY attnum) AS columns,
      ARRAY(SELECT others.relname::text FROM pg_constraint
        JOIN pg_class AS others ON others.oid = confrelid
        WHERE conrelid = tables.oid AND contype = 'f' AND confrelid <> conrelid) AS refers_to
    FROM pg_class AS tables
    WHERE relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = ${schema})
      AND relkind = 'r' AND relname <> 'migrations'
    ORDER BY relname`.execute(q)
  const ordered: Table[] = []
  const isPlaced = (name: string) => ordered.some(table => table.name === name)
  while (ordered.length < rows.length) {
    const ready = rows.filter(row => !isPlaced(row.name) && row.refers_to.every(isPlaced))
    if (ready.length === 0) throw new Error('tables refer to each other in a circle')
    ordered.push(...ready)
  }
  return ordered
}

async function deleteRows(q: Query, schema: string, tables: readonly Table[]): Promise<number> {
  const anyRow = tables.map(
    ({ name }) =>
      sql`SELECT ${sql.lit(name)} AS name WHERE EXISTS (SELECT FROM ${sql.id(schema, name)})`,
  )
  const { rows: filled } = await sql<{ name: string }>`
    ${sql.join(anyRow, sql` UNION ALL `)}`.execute(q)
  const isFilled = new Set(filled.map(row => row.name))
  let deleted = 0
  for (const { name } of tables.filter(table => isFilled.has(table.name)).reverse()) {
    const { numAffectedRows } = await sql`DELETE FROM ${sql.id(schema, name)}`.execute(q)
    deleted += Number(numAffectedRows ?? 0)
  }
  return deleted
}
