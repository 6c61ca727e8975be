import type { RunningContext } from '../../context.ts'
import { createRoom, newRoomRequest } from '../../rooms/create-room.ts'
import { requesterNamed } from '../../rooms/test-requester.ts'
import { say } from '../../rooms/test-say.ts'
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
  await say(ctx, alice, roomId, 'before')
  const upTo = ctx.positions.latest()
  await say(ctx, alice, roomId, 'after')
  const told = { upTo: undefined, rooms: new Map(), extensions: new Map() }
  const [room] = await listRooms(ctx, alice.userId, told, upTo, new Set())
  expect(room).toMatchObject({ roomId, activity: upTo, bumpStamp: upTo })
})
