import { transaction } from '../../../db/transaction.ts'
import type { RunningContext } from '../../context.ts'
import { createRoom, newRoomRequest } from '../../rooms/create-room.ts'
import { sendMessage } from '../../rooms/send-event.ts'
import { requesterNamed } from '../../rooms/test-requester.ts'
import { startContext } from '../../test-context.ts'
import { listRooms } from './room-list.ts'

let ctx: RunningContext
let end: () => Promise<void>
beforeAll(async () => {
  ;({ ctx, end } = await startContext())
})
afterAll(() => end())

const alice = requesterNamed('alice')

test('a room is where it was when the list ends, though it has been spoken in since', async () => {
  const roomId = await createRoom(ctx, alice, newRoomRequest)
  await say(roomId, 'before')
  const upTo = ctx.positions.latest()
  await say(roomId, 'after')
  const told = { upTo: undefined, rooms: new Map(), extensions: new Map() }
  const [room] = await listRooms(ctx, alice.userId, told, upTo, new Set())
  expect(room).toMatchObject({ roomId, activity: upTo, bumpStamp: upTo })
})

function say(roomId: string, body: string) {
  const content = { msgtype: 'm.text', body }
  const message = { roomId, type: 'm.room.message', content, transactionId: body }
  return transaction(ctx.db, tx => sendMessage(ctx, tx, alice, message))
}
