/** What is remembered of rooms' state, when several read it at the same moment. */

import { selectStateByKeys } from '../../db/room-state.ts'
import { lockRoom } from '../../db/rooms.ts'
import { statementsOf } from '../../db/testing/statements.ts'
import { type Tx, transaction } from '../../db/transaction.ts'
import { createUser } from '../accounts/users.ts'
import type { RunningContext } from '../context.ts'
import { startContext } from '../test-context.ts'
import { createRoom, newRoomRequest } from './create-room.ts'
import { sendState } from './send-event.ts'
import { RoomStates } from './state-before.ts'
import { parsePdu } from './stored-event.ts'
import { requesterNamed } from './test-requester.ts'

let ctx: RunningContext
let end: () => Promise<void>
beforeAll(async () => {
  ;({ ctx, end } = await startContext())
  const { userId } = alice
  await transaction(ctx.db, tx => createUser(ctx, tx, { userId, passwordHash: null }))
})
afterAll(() => end())

const alice = requesterNamed('alice')
const topicKey: [string, string] = ['m.room.topic', '']

async function roomWithTopic(topic: string): Promise<string> {
  const roomId = await createRoom(ctx, alice, newRoomRequest)
  await sendState(ctx, alice, { roomId, type: 'm.room.topic', stateKey: '', content: { topic } })
  return roomId
}

async function held(tx: Tx, roomId: string) {
  const room = await lockRoom(tx, roomId)
  if (!room) throw new Error('there is no such room')
  return room
}

test('what many read at once counts once', async () => {
  const [small, large] = [await roomWithTopic('small'), await roomWithTopic('x'.repeat(60_000))]
  await transaction(ctx.db, async tx => {
    const states = new RoomStates()
    const [smallRoom, largeRoom] = [await held(tx, small), await held(tx, large)]
    await states.lookUp(tx, smallRoom, [topicKey])
    // All that is remembered may have 16,000,000 characters.
    const all = Array.from({ length: 300 }, () => states.lookUp(tx, largeRoom, [topicKey]))
    await Promise.all(all)
    expect(await statementsOf(() => states.lookUp(tx, smallRoom, [topicKey]))).toEqual([])
  })
})

test('who has read what was before takes the place of nothing that came meanwhile', async () => {
  const roomId = await roomWithTopic('before')
  await transaction(ctx.db, async tx => {
    const states = new RoomStates()
    const room = await held(tx, roomId)
    const place = { room, type: 'm.room.topic', stateKey: '' }
    const [topic] = await selectStateByKeys(tx, roomId, [topicKey])
    if (!topic) throw new Error('the room has no topic')
    const changing = await states.before(tx, [place])
    const reading = states.before(tx, [{ ...place, type: 'm.room.create' }])
    const position = room.state_version + 1
    changing.set({ ...topic, position }, parsePdu(topic))
    await reading
    const later = { ...room, state_version: position }
    const look = () => states.before(tx, [{ ...place, room: later }])
    expect(await statementsOf(look)).toEqual([])
  })
})
