import type { CompiledQuery } from 'kysely'
import { gate } from '../../db/testing/test-gate.ts'
import { heldTransaction } from '../../db/testing/test-transaction.ts'
import type { Context, RunningContext } from '../context.ts'
import type { ClientEvent } from '../matrix/event.ts'
import { eventsTopic } from '../stream/notifier.ts'
import { parseToken } from '../stream/token.ts'
import { startContext } from '../test-context.ts'
import { createRoom, newRoomRequest } from './create-room.ts'
import { LatestEvents } from './latest-events.ts'
import { joinRoom, moderate } from './membership.ts'
import { readRelations } from './read-relations.ts'
import { readJoinedMembers, readState } from './read-state.ts'
import { searchEvents } from './search.ts'
import { sendState } from './send-event.ts'
import { requesterNamed } from './test-requester.ts'
import { say } from './test-say.ts'
import { readContext, readMessages } from './timeline.ts'

let ctx: RunningContext
let end: () => Promise<void>
beforeAll(async () => {
  ;({ ctx, end } = await startContext())
})
afterAll(() => end())

const alice = requesterNamed('alice')
const bob = requesterNamed('bob')
const carol = requesterNamed('carol')

test('the page of a room’s end begins before what is sent while it is read', async () => {
  const roomId = await createRoom(ctx, alice, newRoomRequest)
  const sending = heldTransaction()
  const position = ctx.positions.take(sending.tx, [eventsTopic(roomId)])
  const page = readMessages(ctx, alice, { roomId, dir: 'b', filter: undefined })
  sending.end()
  const { start, chunk } = await page
  expect(chunk).not.toEqual([])
  expect(parseToken(start, ctx.positions.latest()).position).toBe(position - 1)
})

/** Each gives the ids of what it shows. */
const readers: [string, (during: Context, roomId: string, eventId: string) => Promise<string[]>][] =
  [
    [
      'messages',
      async (during, roomId) =>
        idsOf((await readMessages(during, bob, { roomId, dir: 'b', filter: undefined })).chunk),
    ],
    [
      'relations',
      async (during, roomId, eventId) =>
        idsOf((await readRelations(during, bob, { ...anyRelation, roomId, eventId })).chunk),
    ],
    ['state', async (during, roomId) => idsOf(await readState(during, bob, roomId))],
    [
      'joined_members',
      async (during, roomId) => Object.keys(await readJoinedMembers(during, bob, roomId)),
    ],
    [
      'context',
      async (during, roomId, eventId) => {
        const request = { roomId, eventId, limit: undefined, filter: undefined }
        const { events_after, state } = await readContext(during, bob, request)
        return idsOf([...events_after, ...state])
      },
    ],
    [
      'search',
      async (during, roomId) => {
        const { results } = await searchEvents(during, bob, {
          ...morning,
          filter: { rooms: [roomId] },
        })
        return (results as unknown as { result: ClientEvent }[]).map(
          ({ result }) => result.event_id,
        )
      },
    ],
  ]
const idsOf = (events: readonly ClientEvent[]) => events.map(event => event.event_id)
const morning = {
  term: 'morning',
  keys: ['content.body'],
  orderBy: 'recent',
  context: undefined,
  withState: false,
  groupBy: [],
  nextBatch: undefined,
} as const
const anyRelation = {
  relType: undefined,
  eventType: undefined,
  dir: 'b',
  from: undefined,
  to: undefined,
  limit: undefined,
  recurse: false,
} as const

test.each(readers)(
  '/%s: who is sent away while they read is not shown what was said after that',
  async (_, read) => {
    const roomId = await createRoom(ctx, alice, { ...newRoomRequest, preset: 'public_chat' })
    await joinRoom(ctx, bob, roomId, {})
    const { event_id: eventId } = await say(ctx, alice, roomId, 'Good morning')
    // As on PostgreSQL, where both may be in flight when the reading begins, and committed in the midst:
    // after it was seen what the reader may see, and before what they want to see.
    const settled = ctx.positions.latest()
    const positions = { settled: () => settled, latest: () => settled + 4, isIdle: () => false }
    const { opened: hasLooked, open: look } = gate()
    const { opened: isSaid, open: tell } = gate()
    const q = new Proxy(ctx.db.q, {
      get(target, name) {
        const value = Reflect.get(target, name, target)
        if (name !== 'executeQuery') return typeof value === 'function' ? value.bind(target) : value
        return async (query: CompiledQuery) => {
          if (query.sql.includes('FROM events WHERE room_id = $1')) await isSaid
          const answer = await target.executeQuery(query)
          if (!query.sql.includes('NULL AS pdu FROM room_state')) return answer
          look()
          await isSaid
          return answer
        }
      },
    })
    const during = {
      ...ctx,
      db: { ...ctx.db, q },
      latestEvents: new LatestEvents(),
      positions: positions as Context['positions'],
    }
    const shown = read(during, roomId, eventId)
    await hasLooked
    await moderate(ctx, alice, 'kick', { roomId, target: bob.userId, reason: undefined })
    const relation = { rel_type: 'm.reference', event_id: eventId }
    const topic = { roomId, type: 'm.room.topic', stateKey: '', content: { topic: 'Peace' } }
    const later = [
      await say(ctx, alice, roomId, 'A quiet morning', { 'm.relates_to': relation }),
      await sendState(ctx, alice, topic),
    ]
    await joinRoom(ctx, carol, roomId, {})
    tell()
    const ids = await shown
    expect(ids).not.toContain(carol.userId)
    expect(later.filter(row => ids.includes(row.event_id))).toEqual([])
  },
)
