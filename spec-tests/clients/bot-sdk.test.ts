/**
 * A bot on matrix-bot-sdk, as its authors' examples have it: it comes when it is invited, and
 * answers. Without encryption, whose native part is not for every platform.
 */
import {
  AutojoinRoomsMixin,
  LogService,
  MatrixAuth,
  MatrixClient,
  MemoryStorageProvider,
} from 'matrix-bot-sdk'
import type { Client } from '../support/client.ts'
import { startServer, type TestServer } from '../support/server.ts'
import type { JsonObject } from '../support/wire.ts'

const ignore = () => undefined

let server: TestServer
let alice: Client
let bot: MatrixClient
beforeAll(async () => {
  // It logs every refusal, also the challenge that registering begins with.
  LogService.setLogger({ info: ignore, warn: ignore, error: ignore, debug: ignore, trace: ignore })
  server = await startServer()
  alice = await server.user('alice')
  const auth = new MatrixAuth(server.baseUrl)
  const { accessToken } = await auth.passwordRegister('echo', 'a password', 'Echo')
  bot = new MatrixClient(server.baseUrl, accessToken, new MemoryStorageProvider())
  AutojoinRoomsMixin.setupOnClient(bot)
  bot.on('room.message', async (roomId: string, event: JsonObject) => {
    if (event.sender === (await bot.getUserId())) return
    await bot.replyText(roomId, event, `You said: ${event.content.body}`)
  })
  await bot.start()
})
afterAll(async () => {
  bot.stop()
  await server.stop()
})

/** What the others in the room have said, once there are that many messages. */
async function untilMessages(room: string, count: number): Promise<JsonObject[]> {
  let since: string | undefined
  const messages: JsonObject[] = []
  while (messages.length < count) {
    const answer = await alice.sync({ since, timeout: 30_000 })
    since = answer.next_batch
    const events = answer.rooms.join?.[room]?.timeline.events ?? []
    messages.push(...events.filter(({ type }) => type === 'm.room.message'))
  }
  return messages
}

test('it joins when it is invited, and answers what is said', async () => {
  const room = await alice.createRoom()
  await alice.invite(room, '@echo:hs1')
  while ((await alice.state(room, 'm.room.member', '@echo:hs1')).membership !== 'join') {
    await alice.sync({ timeout: 0 })
  }
  const eventId = await alice.say(room, 'hello')
  const [, reply] = await untilMessages(room, 2)
  expect(reply).toMatchObject({
    sender: '@echo:hs1',
    content: { 'm.relates_to': { 'm.in_reply_to': { event_id: eventId } } },
  })
  expect(reply?.content.body).toContain('You said: hello')
})

test('it finds its rooms, reads and sets state, and leaves', async () => {
  const room = await bot.createRoom({ invite: [alice.userId], name: 'Made by a bot' })
  await alice.join(room)
  expect(await bot.getJoinedRooms()).toContain(room)
  expect(await bot.getJoinedRoomMembers(room)).toEqual(
    expect.arrayContaining(['@echo:hs1', alice.userId]),
  )
  await bot.sendStateEvent(room, 'm.room.topic', '', { topic: 'Echoes' })
  expect(await alice.state(room, 'm.room.topic')).toMatchObject({ topic: 'Echoes' })
  expect(await bot.getRoomStateEvent(room, 'm.room.name', '')).toEqual({ name: 'Made by a bot' })
  await bot.leaveRoom(room)
  expect(await bot.getJoinedRooms()).not.toContain(room)
})

test('it proves to others who it is', async () => {
  const token = await bot.getOpenIDConnectToken()
  expect(token).toMatchObject({ matrix_server_name: 'hs1', token_type: 'Bearer' })
})
