/** What is remembered of users' counts is bounded by how much there is in it. */
import { statementsOf } from '../../db/testing/statements.ts'
import { transaction } from '../../db/transaction.ts'
import type { RuledRow } from '../../db/unread.ts'
import { createUser } from '../accounts/users.ts'
import type { RunningContext } from '../context.ts'
import { startContext } from '../test-context.ts'
import { createRoom, newRoomRequest } from './create-room.ts'
import type { LatestEvents } from './latest-events.ts'
import { joinRoom } from './membership.ts'
import type { RuledRooms } from './ruled-rooms.ts'
import { requesterNamed } from './test-requester.ts'
import { UnreadCounts } from './unread-counts.ts'

let ctx: RunningContext
let end: () => Promise<void>
beforeAll(async () => {
  ;({ ctx, end } = await startContext())
  for (const { userId } of [alice, bob]) {
    await transaction(ctx.db, tx => createUser(ctx, tx, { userId, passwordHash: null }))
  }
})
afterAll(() => end())

const alice = requesterNamed('alice')
const bob = requesterNamed('bob')

/** A reply, in a thread of its own. */
const replyAt = (room_id: string, position: number) =>
  ({
    event_id: `$${position}`,
    room_id,
    position,
    type: 'm.room.message',
    sender: '@carol:hs1',
    state_key: null,
    pdu: '{"content":{"body":"hello"}}',
    relates_to: `$root${position}`,
    rel_type: 'm.thread',
    redacted_by: null,
  }) as unknown as RuledRow

test('who has very many unread threads takes more room than who has none', async () => {
  const roomId = await createRoom(ctx, alice, { ...newRoomRequest, preset: 'public_chat' })
  await joinRoom(ctx, bob, roomId, {})
  const room = { joinedMembers: 3, mayNotify: () => false }
  const ruledRooms = { of: async () => new Map([[roomId, room]]) } as unknown as RuledRooms
  const replies: RuledRow[] = []
  const latest = { between: () => replies } as unknown as LatestEvents
  const counts = new UnreadCounts(latest, ruledRooms)
  const now = ctx.positions.settled()
  const isBobKnown = async () =>
    (await statementsOf(() => counts.of(ctx.db, bob.userId, [roomId], now))).length === 0
  for (const { userId } of [bob, alice]) await counts.of(ctx.db, userId, [roomId], now)
  expect(await isBobKnown()).toBe(true)

  // As many as all that is kept.
  for (let i = 1; i <= 50_000; i++) replies.push(replyAt(roomId, now + i))
  const ofAlice = await counts.of(ctx.db, alice.userId, [roomId], now + 50_000)
  expect(ofAlice.get(roomId)?.size).toBe(50_000)
  expect(await isBobKnown()).toBe(false)
})
