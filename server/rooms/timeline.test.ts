import { heldTransaction } from '../../db/test-transaction.ts'
import type { RunningContext } from '../context.ts'
import { eventsTopic } from '../stream/notifier.ts'
import { parseToken } from '../stream/token.ts'
import { startContext } from '../test-context.ts'
import { createRoom, newRoomRequest } from './create-room.ts'
import { requesterNamed } from './test-requester.ts'
import { readMessages } from './timeline.ts'

let ctx: RunningContext
let end: () => Promise<void>
beforeAll(async () => {
  ;({ ctx, end } = await startContext())
})
afterAll(() => end())

const alice = requesterNamed('alice')

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
