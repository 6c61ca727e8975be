import type { RunningContext } from '../context.ts'
import { startContext } from '../test-context.ts'
import { createRoom, newRoomRequest } from './create-room.ts'
import { readThreads } from './read-relations.ts'
import { requesterNamed } from './test-requester.ts'
import { say } from './test-say.ts'

let ctx: RunningContext
let end: () => Promise<void>
beforeAll(async () => {
  ;({ ctx, end } = await startContext())
})
afterAll(() => end())

const alice = requesterNamed('alice')

test('a thread that has been replied to since somebody asked is among those they are told of', async () => {
  const roomId = await createRoom(ctx, alice, newRoomRequest)
  const { event_id: root } = await say(ctx, alice, roomId, 'root')
  const reply = (body: string) =>
    say(ctx, alice, roomId, body, { 'm.relates_to': { rel_type: 'm.thread', event_id: root } })
  await reply('before')
  const upTo = ctx.positions.latest()
  await reply('after')
  const positions = { latest: () => upTo, settled: () => upTo } as RunningContext['positions']
  const asked = { roomId, include: 'all', from: undefined, limit: undefined } as const
  const { chunk } = await readThreads({ ...ctx, positions }, alice, asked)
  expect(chunk.map(event => event.event_id)).toEqual([root])
})
