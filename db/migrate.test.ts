/** Several servers may share one PostgreSQL, each in a schema of its own. */
import { randomBytes } from 'node:crypto'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { migrations } from './migrations/index.ts'
import { openDatabase } from './open.ts'

const url = process.env.HOURGLASS_TEST_DATABASE_URL
const name = () => `test_${randomBytes(8).toString('hex')}`

test('each migration has a number of its own, and they run in that order', () => {
  const numbers = Object.keys(migrations).map(name => name.slice(0, 4))
  expect(numbers).toEqual([...new Set(numbers)].sort())
})

// The embedded database has no neighbours.
if (url !== undefined)
  test('a schema is set up while neighbouring schemas come and go', async () => {
    const neighbour = new pg.Client({ connectionString: url })
    await neighbour.connect()
    await neighbour.query('SET client_min_messages = error')
    let busy = true
    const comeAndGo = async () => {
      while (busy) {
        const schema = name()
        await neighbour.query(`CREATE SCHEMA ${schema}`)
        const tables = Array.from(
          { length: 20 },
          (_, i) => `CREATE TABLE ${schema}.t${i} (id serial)`,
        )
        await neighbour.query(tables.join(';'))
        await neighbour.query(`DROP SCHEMA ${schema} CASCADE`)
      }
    }
    const coming = comeAndGo()
    const schemas = Array.from({ length: 10 }, name)
    try {
      for (const schema of schemas) {
        const dataDir = join(tmpdir(), 'unused')
        const database = await openDatabase({ url, schema, dataDir, maxConnections: 2 })
        await database.close()
      }
    } finally {
      busy = false
      await coming
      for (const schema of schemas) await neighbour.query(`DROP SCHEMA IF EXISTS ${schema} CASCADE`)
      await neighbour.end()
    }
  })
