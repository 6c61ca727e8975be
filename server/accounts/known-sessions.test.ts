import type { SessionWithUser } from '../../db/sessions.ts'
import { sessionWrites } from '../../db/table-writes.ts'
import { KnownSessions } from './known-sessions.ts'

/** What a database would do, one read at a time. */
function setUp() {
  const writes = sessionWrites()
  const rows = new Map<string, SessionWithUser>()
  const reads: string[][] = []
  let whileReading = () => undefined as unknown
  const sessions = new KnownSessions(
    writes,
    async hashes => {
      reads.push([...hashes])
      const found = hashes.map(hash => rows.get(hash))
      await whileReading()
      return found
    },
    { most: 100, atOnce: 1 },
  )
  const log = (hash: string) => rows.set(hash, { access_token_hash: hash } as SessionWithUser)
  return {
    sessions,
    reads,
    writes,
    logIn: log,
    logOut: (hash: string) => rows.delete(hash),
    meanwhile: (run: () => unknown) => {
      whileReading = () => {
        whileReading = () => undefined
        return run()
      }
    },
  }
}

describe('a session', () => {
  test('is read once', async () => {
    const { sessions, reads, logIn } = setUp()
    logIn('a')
    const first = await sessions.find('a')
    expect(first).toBeDefined()
    expect(await sessions.find('a')).toBe(first)
    expect(reads).toEqual([['a']])
  })

  test('that is not there is looked for each time', async () => {
    const { sessions, logIn } = setUp()
    expect(await sessions.find('a')).toBeUndefined()
    logIn('a')
    expect(await sessions.find('a')).toBeDefined()
  })

  test('is gone when the write that ended it is over', async () => {
    const { sessions, writes, logIn, logOut } = setUp()
    logIn('a')
    await sessions.find('a')
    writes.begin()
    logOut('a')
    writes.end()
    expect(await sessions.find('a')).toBeUndefined()
  })

  test('is read each time while somebody writes', async () => {
    const { sessions, reads, writes, logIn, logOut } = setUp()
    logIn('a')
    await sessions.find('a')
    writes.begin()
    expect(await sessions.find('a')).toBeDefined()
    logOut('a')
    expect(await sessions.find('a')).toBeUndefined()
    writes.end()
    expect(reads).toHaveLength(3)
  })

  test('that was read while it ended is not remembered', async () => {
    const { sessions, writes, logIn, logOut, meanwhile } = setUp()
    logIn('a')
    meanwhile(() => {
      writes.begin()
      logOut('a')
      writes.end()
    })
    // It was read before, so this one still passes.
    expect(await sessions.find('a')).toBeDefined()
    expect(await sessions.find('a')).toBeUndefined()
  })

  test('that was read before it ended is not remembered by who was asked after', async () => {
    const { sessions, writes, logIn, logOut, meanwhile } = setUp()
    logIn('a')
    let second: Promise<unknown> | undefined
    meanwhile(() => {
      writes.begin()
      logOut('a')
      writes.end()
      second = sessions.find('a')
    })
    await sessions.find('a')
    expect(await second).toBeUndefined()
    expect(await sessions.find('a')).toBeUndefined()
  })
})

describe('what writes to sessions', () => {
  test.each([
    'insert into "sessions" ("session_id") values ($1)',
    'update "users" set "is_admin" = $1 where "user_id" = $2',
    'delete from "devices" where "user_id" = $1',
    '\n    INSERT INTO users (user_id)\n    SELECT $1',
    'WITH gone AS (DELETE FROM sessions RETURNING *) SELECT * FROM gone',
  ])('%j does', text => {
    expect(sessionWrites().isWrite(text)).toBe(true)
  })

  test.each([
    'select * from "sessions" where "access_token_hash" = $1',
    'select "user_id" from "users" where "user_id" = $1 for update',
    'UPDATE devices SET last_seen_ts = $1',
    'insert into "users_of_another_kind" values ($1)',
  ])('%j does not', text => {
    expect(sessionWrites().isWrite(text)).toBe(false)
  })
})
