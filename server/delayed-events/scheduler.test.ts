import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { insertUser } from '../../db/accounts.ts'
import type { DueRow } from '../../db/delayed-events-due.ts'
import { selectDelayedEvents, selectScheduled } from '../../db/delayed-events-lists.ts'
import { selectEvents } from '../../db/events.ts'
import type { EventRow } from '../../db/schema.ts'
import { type Tx, transaction } from '../../db/transaction.ts'
import { parseConfig } from '../config.ts'
import { type Context, createContext, type RunningContext } from '../context.ts'
import { type LabClock, labClock } from '../lib/lab-clock.ts'
import { makeLog } from '../lib/log.ts'
import type { Requester } from '../requester.ts'
import { createRoom } from '../rooms/create-room.ts'
import { roomTopic } from '../stream/notifier.ts'
import { manage } from './delayed-events.ts'
import { scheduleNow } from './schedule.ts'
import { Scheduler } from './scheduler.ts'
import { inRuns } from './send-due.ts'

let dataDir: string
let clock: LabClock
let running: RunningContext
/** The context of the test, whose scheduler is the one under test. */
let ctx: Context
let scheduler: Scheduler
/** Called with each use of the database by `ctx`; a throw is a database that fails. */
let onDatabase: () => void
let afterQuery: (() => Promise<void>) | undefined
/** Rooms in which sending breaks, after the delayed event was claimed, with every attempt. */
let broken: Map<string, number[]>
const caller = { requester: undefined, address: '' }
let requester: Requester
let users = 0

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'hourglass-'))
  clock = labClock(Date.UTC(2030, 0, 1))
  const config = parseConfig({ data_dir: dataDir, server_name: 'hs1' }, 'the test')
  running = await createContext(config, { clock, log: makeLog('silent') })
  await running.scheduler.stop()
  await running.sweeper.stop()
  const take = running.positions.take.bind(running.positions)
  running.positions.take = (tx: Tx, topics: readonly string[]) => {
    for (const [room, attempts] of broken) {
      if (!topics.includes(roomTopic(room))) continue
      // In company and, when that broke, alone: at the same moment.
      if (attempts.at(-1) !== clock.now()) attempts.push(clock.now())
      throw new Error('broken on purpose')
    }
    return take(tx, topics)
  }
})
afterAll(async () => {
  await running.stop()
  await rm(dataDir, { recursive: true, force: true })
})

beforeEach(async () => {
  broken = new Map()
  onDatabase = () => undefined
  afterQuery = undefined
  users += 1
  requester = await newUser(`@user-${users}:hs1`)
  scheduler = new Scheduler()
  ctx = { ...running, scheduler, db: { ...running.db, q: running.db.q } }
  Object.defineProperty(ctx.db, 'q', { get: watchedQueries })
  await scheduler.start(ctx)
})
afterEach(async () => {
  await scheduler.stop()
  expect(clock.pendingTimers()).toBe(0)
})

function watchedQueries() {
  onDatabase()
  const hook = afterQuery
  afterQuery = undefined
  return running.db.q.withPlugin({
    transformQuery: ({ node }) => node,
    async transformResult({ result }) {
      await hook?.()
      return result
    },
  })
}

async function newUser(userId: string): Promise<Requester> {
  const user = { user_id: userId, created_ts: clock.now(), is_guest: false, is_admin: false }
  const empty = { password_hash: null, deactivated_ts: null, displayname: null, avatar_url: null }
  await transaction(running.db, tx => insertUser(tx, { ...user, ...empty }))
  return { userId, deviceId: 'D', isGuest: false, isAdmin: false, isRateLimited: true }
}

const advance = (ms: number) => clock.advance(ms, () => scheduler.idle())

function newRoom(): Promise<string> {
  return createRoom(running, requester, {
    visibility: 'private',
    preset: undefined,
    roomVersion: undefined,
    creationContent: {},
    initialState: [],
    powerLevelContentOverride: {},
    name: undefined,
    topic: undefined,
    roomAliasName: undefined,
    invite: [],
    isDirect: false,
  })
}

async function brokenRoom(): Promise<{ room: string; attempts: number[] }> {
  const room = await newRoom()
  const attempts: number[] = []
  broken.set(room, attempts)
  return { room, attempts }
}

function schedule(
  roomId: string,
  delayMs: number,
  by = requester,
  event: { type: string; stateKey?: string } = { type: 'm.test' },
): Promise<string> {
  return scheduleNow(ctx, by, {
    roomId,
    stateKey: undefined,
    content: {},
    delayMs,
    cancelPolicy: 'other_user',
    dialect: 'unstable_query',
    ...event,
  })
}

const scheduled = async (of = requester) =>
  (await selectScheduled(running.db, of.userId)).map(row => row.delay_id)

/** What is over, first to last: how, and when. */
const finalised = async ({ userId } = requester) =>
  (
    await selectDelayedEvents(running.db, {
      userId,
      order: 'finalised_ts',
      direction: 'forwards',
    })
  ).map(row => [row.delay_id, row.status, row.finalised_ts])

/** What became of them, in the order of the stream. */
async function eventsOfDelayed(delayIds: readonly string[]): Promise<EventRow[]> {
  const rows = await selectDelayedEvents(running.db, {
    userId: requester.userId,
    delayIds,
    order: 'finalised_ts',
    direction: 'forwards',
  })
  const events = await selectEvents(
    running.db,
    rows.flatMap(row => row.event_id ?? []),
  )
  return events.sort((a, b) => a.position - b.position)
}

describe('a sending that breaks, and is not refused', () => {
  test('is tried again after 1 s, 2 s, 4 s … 60 s, and succeeds when it can', async () => {
    const { room, attempts } = await brokenRoom()
    const due = clock.now() + 500
    const delayId = await schedule(room, 500)
    await advance(500 + 183_000)
    const after = attempts.map(time => (time - due) / 1_000)
    expect(after).toEqual([0, 1, 3, 7, 15, 31, 63, 123, 183])
    expect(await scheduled()).toEqual([delayId])
    expect(await finalised()).toEqual([])

    broken.clear()
    await advance(59_999)
    expect(await scheduled()).toEqual([delayId])
    await advance(1)
    expect(await finalised()).toEqual([[delayId, 'sent', due + 243_000]])
  })

  test('does not hold up the others, neither at the time nor later', async () => {
    const [{ room, attempts }, good] = [await brokenRoom(), await newRoom()]
    const [first, stuck, third] = [
      await schedule(good, 1_000),
      await schedule(room, 1_000),
      await schedule(good, 1_000),
    ]
    const last = await schedule(good, 1_500)
    const start = clock.now()
    await advance(1_600)
    expect(await finalised()).toEqual([
      [first, 'sent', start + 1_000],
      [third, 'sent', start + 1_000],
      [last, 'sent', start + 1_500],
    ])
    expect(attempts).toEqual([start + 1_000])
    expect(await scheduled()).toEqual([stuck])
  })

  test('is tried at once by the next process', async () => {
    const { room } = await brokenRoom()
    const delayId = await schedule(room, 1_000)
    await advance(100_000)
    await scheduler.stop()
    broken.clear()
    scheduler = new Scheduler()
    await scheduler.start({ ...ctx, scheduler })
    expect(await finalised()).toEqual([[delayId, 'sent', clock.now()]])
  })

  test('can be cancelled, and is tried no more', async () => {
    const { room, attempts } = await brokenRoom()
    const delayId = await schedule(room, 1_000)
    await advance(1_000)
    await manage(ctx, caller, { delayId, action: 'cancel' })
    await advance(600_000)
    expect(attempts).toHaveLength(1)
    expect(clock.pendingTimers()).toBe(0)
  })

  test('can be restarted, and is sent at its new time', async () => {
    const { room, attempts } = await brokenRoom()
    const delayId = await schedule(room, 10_000)
    await advance(10_500)
    expect(attempts).toHaveLength(1)
    await manage(ctx, caller, { delayId, action: 'restart' })
    broken.clear()
    await advance(9_999)
    expect(await scheduled()).toEqual([delayId])
    await advance(1)
    expect(await finalised()).toEqual([[delayId, 'sent', clock.now()]])
  })

  test('on request, the caller hears of it and nothing has happened', async () => {
    const { room } = await brokenRoom()
    const delayId = await schedule(room, 10_000)
    await expect(manage(ctx, caller, { delayId, action: 'send' })).rejects.toThrow(
      'broken on purpose',
    )
    expect(await scheduled()).toEqual([delayId])
    broken.clear()
    await advance(10_000)
    expect(await finalised()).toEqual([[delayId, 'sent', clock.now()]])
  })
})

describe('a database that fails', () => {
  test('when it is asked what is due: it is asked again after a second', async () => {
    const delayId = await schedule(await newRoom(), 1_000)
    onDatabase = () => {
      throw new Error('no database')
    }
    await advance(5_500)
    onDatabase = () => undefined
    expect(await scheduled()).toEqual([delayId])
    await advance(500)
    expect(await finalised()).toEqual([[delayId, 'sent', clock.now()]])
  })

  test('when a refusal is recorded: the others are sent, and the refusal is recorded later', async () => {
    const room = await newRoom()
    const [owner, start] = [requester, clock.now()]
    const stranger = await newUser('@stranger:hs1')
    // By which the room is governed, so it goes alone.
    const topic = { type: 'm.room.topic', stateKey: '' }
    const refused = await schedule(room, 1_000, stranger, topic)
    const sent = await schedule(room, 1_000, owner)
    let uses = 0
    onDatabase = () => {
      uses += 1
      // What is due, the sending that is refused, and then the record of it.
      if (uses === 3) throw new Error('no database')
    }
    await advance(1_000)
    expect(await finalised(owner)).toEqual([[sent, 'sent', start + 1_000]])
    expect(await scheduled(stranger)).toEqual([refused])
    await advance(1_000)
    expect(await finalised(stranger)).toEqual([[refused, 'failed', start + 2_000]])
  })
})

describe('the timer', () => {
  test('a deadline that comes up while the next one is looked up is looked at again', async () => {
    const delayId = await schedule(await newRoom(), 1_000)
    let uses = 0
    onDatabase = () => {
      uses += 1
      // What is due, its sending, and then the look for the next deadline.
      if (uses === 3) afterQuery = async () => scheduler.noteDeadline(clock.now())
    }
    await advance(1_000)
    expect(await finalised()).toEqual([[delayId, 'sent', clock.now()]])
    // What is due, and the next deadline.
    expect(uses).toBe(5)
  })

  describe('of a server that takes a moment to be quick again', () => {
    const wakingMs = 10
    let uses: number

    beforeEach(async () => {
      await scheduler.stop()
      scheduler = new Scheduler()
      ctx = Object.assign(ctx, { scheduler, clock: { ...clock, wakingMs } })
      await scheduler.start(ctx)
      uses = 0
      onDatabase = () => {
        uses += 1
      }
    })

    test('after a rest it is asked a moment before what is due, and nothing is sent before it is', async () => {
      const delayId = await schedule(await newRoom(), 5_000)
      uses = 0
      await advance(5_000 - wakingMs - 1)
      expect(uses).toBe(0)
      await advance(1)
      // What is due, and the next deadline.
      expect(uses).toBe(2)
      await advance(wakingMs - 1)
      expect(uses).toBe(2)
      expect(await scheduled()).toEqual([delayId])
      await advance(1)
      expect(await finalised()).toEqual([[delayId, 'sent', clock.now()]])
    })

    test('without a rest it is not', async () => {
      const delayId = await schedule(await newRoom(), 1_000)
      uses = 0
      await advance(999)
      expect(uses).toBe(0)
      await advance(1)
      expect(await finalised()).toEqual([[delayId, 'sent', clock.now()]])
    })

    test('one that becomes due in that moment is sent at its time, before the other', async () => {
      const room = await newRoom()
      const [first, start] = [await schedule(room, 5_000), clock.now()]
      await advance(5_000 - wakingMs)
      const second = await schedule(room, 3)
      await advance(wakingMs)
      expect(await finalised()).toEqual([
        [second, 'sent', start + 5_000 - wakingMs + 3],
        [first, 'sent', start + 5_000],
      ])
    })

    test('if that look fails, it is sent at its time', async () => {
      const delayId = await schedule(await newRoom(), 5_000)
      onDatabase = () => {
        throw new Error('no database')
      }
      await advance(5_000 - wakingMs)
      onDatabase = () => undefined
      await advance(wakingMs)
      expect(await finalised()).toEqual([[delayId, 'sent', clock.now()]])
    })
  })

  test('stop() lets those that are being sent finish, and sends no more', async () => {
    const room = await newRoom()
    const state = { type: 'm.test', stateKey: '' }
    const ids = [
      await schedule(room, 1_000, requester, state),
      await schedule(room, 1_000, requester, state),
    ]
    let uses = 0
    let stopped: Promise<void> | undefined
    onDatabase = () => {
      uses += 1
      if (uses === 2) stopped = scheduler.stop()
    }
    await advance(1_000)
    await stopped
    expect(await finalised()).toEqual([[ids[0], 'sent', clock.now()]])
    expect(await scheduled()).toEqual([ids[1]])
  })
})

describe('what is due at the same moment', () => {
  test('is sent in its order and in one transaction, also in several rooms', async () => {
    const rooms = [await newRoom(), await newRoom()]
    const ids: string[] = []
    for (const delayMs of [900, 700, 800, 700, 600]) {
      ids.push(await schedule(rooms[ids.length % 2] ?? '', delayMs))
    }
    let uses = 0
    onDatabase = () => {
      uses += 1
    }
    // In one step, so that all of them are late.
    await scheduler.stop()
    await clock.advance(1_000, async () => undefined)
    scheduler = new Scheduler()
    ctx = { ...ctx, scheduler }
    uses = 0
    await scheduler.start(ctx)
    // What is due, the sending of all, and the next deadline.
    expect(uses).toBe(3)
    const events = await eventsOfDelayed(ids)
    expect(events.map(row => row.delay_id)).toEqual([ids[4], ids[1], ids[3], ids[2], ids[0]])
  })

  test('who is refused is told why, and harms nobody beside them', async () => {
    const room = await newRoom()
    const stranger = await newUser('@refused:hs1')
    const before = await schedule(room, 1_000)
    const refused = await schedule(room, 1_000, stranger)
    const after = await schedule(room, 1_000)
    let uses = 0
    onDatabase = () => {
      uses += 1
    }
    await advance(1_000)
    expect(uses).toBe(3)
    const now = clock.now()
    expect(await finalised()).toEqual([
      [before, 'sent', now],
      [after, 'sent', now],
    ])
    expect(await finalised(stranger)).toEqual([[refused, 'failed', now]])
    const [row] = await selectDelayedEvents(running.db, {
      userId: stranger.userId,
      order: 'finalised_ts',
      direction: 'forwards',
    })
    expect(row).toMatchObject({ cause: 'error', event_id: null })
    expect(JSON.parse(row?.error ?? '')).toMatchObject({ errcode: 'M_FORBIDDEN' })
  })

  test('state goes together, save under one key, and what governs a room goes alone', () => {
    const row = (delay_id: string, event: Partial<DueRow> = {}): DueRow => ({
      delay_id,
      room_id: '!a',
      type: 'm.test',
      state_key: null,
      group_id: null,
      follows_event_id: null,
      send_at: 0,
      ...event,
    })
    const runs = inRuns([
      row('1'),
      row('2', { state_key: 'x' }),
      row('3', { state_key: 'y' }),
      row('4', { state_key: 'x', room_id: '!b' }),
      row('5', { state_key: 'x' }),
      row('6'),
      row('7', { state_key: '', type: 'm.room.topic' }),
      row('8', { type: 'm.room.message' }),
      row('9', { group_id: 'g' }),
      row('10', { follows_event_id: '$e' }),
      row('11'),
    ])
    expect(runs.map(run => run.map(one => one.delay_id))).toEqual([
      ['1', '2', '3', '4'],
      ['5', '6'],
      ['7'],
      ['8'],
      ['9'],
      ['10'],
      ['11'],
    ])
    const many = Array.from({ length: 250 }, (_, i) => row(`${i}`))
    expect(inRuns(many).map(run => run.length)).toEqual([100, 100, 50])
  })
})
