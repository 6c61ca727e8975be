/** What is remembered of rooms is presumed; what is wrong of it harms nobody. */
import { selectEvent } from '../../db/events.ts'
import { lockRoom } from '../../db/rooms.ts'
import { statementsOf } from '../../db/testing/statements.ts'
import { transaction } from '../../db/transaction.ts'
import { createUser } from '../accounts/users.ts'
import { continueDeletion, requestDeletion } from '../administration/delete-room.ts'
import type { Context, RunningContext } from '../context.ts'
import type { Requester } from '../requester.ts'
import { startContext } from '../test-context.ts'
import { appendEvent } from './append-event.ts'
import { createRoom, newRoomRequest } from './create-room.ts'
import { joinRoom, leaveRoom } from './membership.ts'
import { RoomHeads } from './room-heads.ts'
import { sendState } from './send-event.ts'
import { RoomStates } from './state-before.ts'
import { parsePdu } from './stored-event.ts'
import { requesterNamed } from './test-requester.ts'

let ctx: RunningContext
/** Somebody who appends to the same rooms, and of whom `ctx` does not hear. */
let stranger: Context
let end: () => Promise<void>
let roomId: string
beforeAll(async () => {
  ;({ ctx, end } = await startContext())
  const { userId } = alice
  await transaction(ctx.db, tx => createUser(ctx, tx, { userId, passwordHash: null }))
  stranger = { ...ctx, roomHeads: new RoomHeads(), roomStates: new RoomStates() }
})
afterAll(() => end())
beforeEach(async () => {
  roomId = await createRoom(ctx, alice, {
    ...newRoomRequest,
    preset: 'public_chat',
    powerLevelContentOverride: { state_default: 0 },
  })
})

const alice = requesterNamed('alice')
const bob = requesterNamed('bob')

const hello = { type: 'm.room.message', content: { body: 'hello' } }

const say = (requester: Requester): Promise<{ event_id: string }> =>
  ctx.sends.do(undefined, { roomId, ...hello, transactionId: undefined, requester })

const schedule = (requester: Requester): Promise<{ delay_id: string }> =>
  ctx.schedules.do(undefined, {
    roomId,
    ...hello,
    stateKey: undefined,
    delayMs: 1_000,
    cancelPolicy: 'none',
    dialect: 'stable',
    requester,
  })

const setTopic = (requester: Requester) =>
  sendState(ctx, requester, { roomId, type: 'm.room.topic', stateKey: '', content: {} })

const appendUnheard = () =>
  transaction(stranger.db, async tx => {
    const room = await lockRoom(tx, roomId)
    if (!room) throw new Error('no such room')
    return appendEvent(stranger, tx, room, { ...hello, sender: alice.userId })
  })

async function attemptsAt(request: () => Promise<unknown>): Promise<number> {
  const statements = await statementsOf(request)
  return statements.filter(({ text }) => text === 'begin').length
}

test.each([
  ['sends', say],
  ['schedules', schedule],
])('who %s in a room reads it once', async (_, act) => {
  const readsOf = async () => {
    const statements = await statementsOf(() => act(alice))
    return statements.filter(({ text }) => text.includes('SELECT * FROM rooms')).length
  }
  roomId = await createRoom(stranger, alice, newRoomRequest)
  expect([await readsOf(), await readsOf()]).toEqual([1, 0])
})

test('a message follows one of which nobody has told us', async () => {
  await say(alice)
  const unheard = await appendUnheard()
  let said = { event_id: '' }
  const attempts = await attemptsAt(async () => {
    said = await say(alice)
  })
  expect(attempts).toBe(2)
  const row = await selectEvent(ctx.db, said.event_id)
  if (!row) throw new Error('it was not stored')
  const { prev_events, depth } = parsePdu(row)
  expect(prev_events).toEqual([unheard.event_id])
  expect(depth).toBe(parsePdu(unheard).depth + 1)
  expect(await attemptsAt(() => say(alice))).toBe(1)
})

test('who has come in meanwhile may speak, and set state', async () => {
  await expect(say(bob)).rejects.toThrow('You are not in')
  await joinRoom(stranger, bob, roomId, {})
  await say(bob)
  await leaveRoom(ctx, bob, roomId)
  await joinRoom(stranger, bob, roomId, {})
  expect(await setTopic(bob)).toMatchObject({ sender: bob.userId, type: 'm.room.topic' })
})

test('who has left meanwhile may not', async () => {
  await joinRoom(ctx, bob, roomId, {})
  await say(bob)
  await leaveRoom(stranger, bob, roomId)
  await expect(say(bob)).rejects.toThrow('You are not in')
  await joinRoom(ctx, bob, roomId, {})
  await say(bob)
  await leaveRoom(stranger, bob, roomId)
  await expect(setTopic(bob)).rejects.toThrow('You are not in')
})

test('a room that has been deleted meanwhile is not known any more', async () => {
  await say(alice)
  await schedule(alice)
  const deleteId = await requestDeletion(stranger, alice, {
    roomId,
    newRoom: undefined,
    isBlocked: false,
    isPurge: true,
    isForced: false,
  })
  while (await continueDeletion(stranger, deleteId ?? ''));
  await expect(schedule(alice)).rejects.toMatchObject({ status: 404 })
  await expect(say(alice)).rejects.toThrow('You are not in')
})

test('who is judging does not see state that may yet be undone', async () => {
  const states = new RoomStates()
  await transaction(ctx.db, async tx => {
    const room = await lockRoom(tx, roomId)
    if (!room) throw new Error('no such room')
    const place = { room, type: 'm.room.power_levels', stateKey: '' }
    const judging = await states.before(tx, [place])
    const changing = await states.before(tx, [place])
    const row = await appendEvent(ctx, tx, room, {
      type: 'm.room.power_levels',
      stateKey: '',
      sender: alice.userId,
      content: { events_default: 100 },
    })
    changing.set(row, parsePdu(row))
    const eventsDefault = (state: typeof judging) =>
      state.lookupIn(roomId)('m.room.power_levels', '')?.content.events_default
    expect(eventsDefault(changing)).toBe(100)
    expect(eventsDefault(judging)).not.toBe(100)
  })
})
