import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sql } from 'kysely'
import type { Database } from './database.ts'
import { insertScheduled, restartAtOnce, restartScheduled } from './delayed-events.ts'
import {
  claimDue,
  claimScheduled,
  letSleep,
  recordRefused,
  recordSent,
  selectDue,
  selectNextWakeUp,
} from './delayed-events-due.ts'
import { selectAllFinalisedBetween, selectFinalisedBetween } from './delayed-events-lists.ts'
import { openDatabase } from './open.ts'
import { insertRoom } from './rooms.ts'
import { statementsOf } from './testing/statements.ts'
import { type Tx, transaction } from './transaction.ts'

let dataDir: string
let db: Database
beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'hourglass-'))
  db = await openDatabase({ dataDir })
  await transaction(db, tx => insertRoom(tx, { roomId: '!room', version: '11', isPublic: false }))
})
afterAll(async () => {
  await db.close()
  await rm(dataDir, { recursive: true, force: true })
})
beforeEach(async () => {
  await sql`DELETE FROM delayed_events`.execute(db.q)
})

/** Due at `sendAt`, that is `delayMs` after it was scheduled. */
function schedule(delayId: string, sendAt: number, delayMs = 8_000): Promise<void> {
  return transaction(db, tx =>
    insertScheduled(tx, [
      {
        delay_id: delayId,
        user_id: '@alice:hs1',
        device_id: null,
        room_id: '!room',
        type: 'm.test',
        state_key: null,
        content: '{}',
        origin_server_ts: null,
        sticky_duration_ms: null,
        delay_ms: delayMs,
        since_ts: sendAt - delayMs,
        send_at: sendAt,
        wake_at: sendAt,
        cancel_policy: 'none',
        dialect: 'test',
        is_rate_limited: true,
        group_id: null,
        member: null,
        follows_event_id: null,
        transaction_id: null,
      },
    ]),
  )
}

const restart = (delayIds: string[], now: number) =>
  transaction(db, tx => restartAtOnce(tx, delayIds, now))
const due = async (now: number) => (await selectDue(db, now, 10, [])).map(row => row.delay_id)

/** How many updates `run` makes, and how many of them touch no index. */
async function updatesOf(tx: Tx, run: () => Promise<unknown>) {
  const count = async () => {
    const { rows } = await sql<{ all: number; hot: number }>`
      SELECT n_tup_upd AS all, n_tup_hot_upd AS hot FROM pg_stat_xact_user_tables
      WHERE relname = 'delayed_events'`.execute(tx.q)
    return rows[0] ?? { all: 0, hot: 0 }
  }
  const before = await count()
  await run()
  const after = await count()
  return { all: after.all - before.all, hot: after.hot - before.hot }
}

interface Plan {
  'Index Name'?: string
  'Index Cond'?: string
  Plans?: Plan[]
}

const scansOf = (plan: Plan): Plan[] => [
  ...(plan['Index Name'] === undefined ? [] : [plan]),
  ...(plan.Plans ?? []).flatMap(scansOf),
]

/** The conditions of all look-ups in an index, by the plan that is kept whatever the values are. */
async function conditionsOf(tx: Tx, run: () => Promise<unknown>): Promise<(string | undefined)[]> {
  const conditions: (string | undefined)[] = []
  await sql`SET LOCAL plan_cache_mode = force_generic_plan`.execute(tx.q)
  for (const { text, values } of await statementsOf(run)) {
    await sql.raw(`PREPARE kept AS ${text}`).execute(tx.q)
    const given = values.map(() => 'NULL').join(', ')
    const { rows } = await sql
      .raw<{ 'QUERY PLAN': { Plan: Plan }[] }>(`EXPLAIN (FORMAT JSON) EXECUTE kept (${given})`)
      .execute(tx.q)
    await sql`DEALLOCATE kept`.execute(tx.q)
    const [explained] = rows[0]?.['QUERY PLAN'] ?? []
    conditions.push(...(explained ? scansOf(explained.Plan) : []).map(scan => scan['Index Cond']))
  }
  return conditions
}

describe('a young table, of which the database knows nothing yet', () => {
  test.each([
    ['heartbeats', (tx: Tx) => restartAtOnce(tx, ['a', 'b'], 5_000)],
    ['one heartbeat', (tx: Tx) => restartScheduled(tx, 'a', 5_000)],
    ['what was sent', (tx: Tx) => recordSent(tx, [{ delay_id: 'a', event_id: '$a' }])],
    ['what was refused', (tx: Tx) => recordRefused(tx, [{ delay_id: 'a', error: '{}' }])],
    ['claiming several', (tx: Tx) => claimDue(tx, ['a', 'b'], { now: 5_000, position: 1 })],
    [
      'claiming one',
      (tx: Tx) => claimScheduled(tx, 'a', { now: 5_000, position: 1, cause: 'delay' }),
    ],
  ])('is not read as a whole, nor will be: %s', async (_, run) => {
    await transaction(db, async tx => {
      const conditions = await conditionsOf(tx, () => run(tx))
      expect(conditions).not.toEqual([])
      for (const condition of conditions) expect(condition).toMatch(/delay_id/)
    })
  })
})

test('what was finalised of late is found by where that was, a user’s by the user, too', async () => {
  await transaction(db, async tx => {
    const all = await conditionsOf(tx, () => selectAllFinalisedBetween(tx, 1, 2, 10))
    expect(all).toEqual([
      expect.stringMatching(/finalised_position > .* AND .*finalised_position <=/),
    ])
    const ofUser = await conditionsOf(tx, () => selectFinalisedBetween(tx, '@a:hs1', 1, 2))
    expect(ofUser).toEqual([expect.stringMatching(/user_id = .* AND .*finalised_position >/)])
    const whole = await conditionsOf(tx, () => selectFinalisedBetween(tx, '@a:hs1', undefined, 2))
    expect(whole).toEqual([expect.stringMatching(/user_id =/)])
  })
})

test('what was over before that was written down is told to who asks for everything', async () => {
  await schedule('old', 1_000)
  await sql`UPDATE delayed_events SET status = 'cancelled', finalised_ts = 1`.execute(db.q)
  expect(await selectFinalisedBetween(db, '@alice:hs1', undefined, 2)).toHaveLength(1)
  expect(await selectFinalisedBetween(db, '@alice:hs1', 0, 2)).toEqual([])
})

describe('restarting', () => {
  test('touches no index, alone or together', async () => {
    await schedule('a', 10_000)
    await schedule('b', 10_000)
    await transaction(db, async tx => {
      const updates = await updatesOf(tx, async () => {
        await restartAtOnce(tx, ['a', 'b', 'a'], 5_000)
        await restartScheduled(tx, 'a', 6_000)
      })
      expect(updates).toEqual({ all: 3, hot: 3 })
    })
  })

  test('tells the new time of each that was there', async () => {
    await schedule('a', 10_000)
    await schedule('b', 10_000, 1_000)
    const restarted = await restart(['a', 'nobody', 'b', 'a'], 5_000)
    expect(restarted).toHaveLength(2)
    expect(restarted).toContainEqual({ delay_id: 'a', send_at: 13_000 })
    expect(restarted).toContainEqual({ delay_id: 'b', send_at: 6_000 })
  })

  test('moves the time at which it is due, and not the time at which it is looked at', async () => {
    await schedule('a', 10_000)
    await restart(['a'], 5_000)
    expect(await selectNextWakeUp(db, [])).toEqual({ wake_at: 10_000, send_at: 13_000 })
    expect([await due(10_000), await due(12_999), await due(13_000)]).toEqual([[], [], ['a']])
  })

  test('with a clock that was set back, it is looked at as soon as it is due', async () => {
    await schedule('a', 100_000)
    await restart(['a'], 5_000)
    expect(await selectNextWakeUp(db, [])).toEqual({ wake_at: 13_000, send_at: 13_000 })
    expect(await due(13_000)).toEqual(['a'])
  })

  test('what is due is told in the order of its time, restarted or not', async () => {
    await schedule('a', 10_000)
    await schedule('b', 11_000)
    await schedule('c', 14_000)
    await schedule('d', 10_000)
    await restart(['a'], 5_000)
    expect(await due(20_000)).toEqual(['d', 'b', 'a', 'c'])
  })
})

describe('those that wake up too soon', () => {
  test('sleep until they are due; the others are left alone', async () => {
    for (const [id, sendAt] of Object.entries({ a: 10_000, b: 10_500, c: 10_700, d: 20_000 })) {
      await schedule(id, sendAt)
    }
    await restart(['a', 'b', 'd'], 9_000)
    await transaction(db, async tx => {
      const updates = await updatesOf(tx, () => letSleep(tx, 11_000, 10))
      expect(updates).toEqual({ all: 2, hot: 0 })
    })
    const rows = await db.q
      .selectFrom('delayed_events')
      .select(['delay_id', 'wake_at', 'send_at'])
      .orderBy('delay_id')
      .execute()
    expect(rows).toEqual([
      { delay_id: 'a', wake_at: 17_000, send_at: 17_000 },
      { delay_id: 'b', wake_at: 17_000, send_at: 17_000 },
      { delay_id: 'c', wake_at: 10_700, send_at: 10_700 },
      { delay_id: 'd', wake_at: 17_000, send_at: 17_000 },
    ])
  })

  test('at most so many at once, those that come up first', async () => {
    for (const id of ['a', 'b', 'c']) await schedule(id, 10_000 + id.charCodeAt(0))
    await restart(['a', 'b', 'c'], 9_000)
    expect(await transaction(db, tx => letSleep(tx, 11_000, 2))).toBe(2)
    expect(await selectNextWakeUp(db, [])).toMatchObject({ wake_at: 10_000 + 'c'.charCodeAt(0) })
  })
})
