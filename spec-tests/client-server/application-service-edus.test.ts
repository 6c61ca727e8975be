/** What happens in passing, as application services hear of it. */
import { TestAppService } from '../support/app-service.ts'
import type { Client } from '../support/client.ts'
import { startServer, type TestServer } from '../support/server.ts'

const v3 = '/_matrix/client/v3'
const enc = encodeURIComponent

/** Registered with `receive_ephemeral`, as drafts called that, and without it. */
let eager: TestAppService
let drafted: TestAppService
let plain: TestAppService
let server: TestServer
let eve: Client
let virtual: Client
let shared: string
let hers: string
beforeAll(async () => {
  eager = await TestAppService.start('eager', { receive_ephemeral: true })
  const namespaces = { rooms: [{ regex: '!.*' }] }
  const flag = { 'de.sorunome.msc2409.push_ephemeral': true }
  drafted = await TestAppService.start('drafted', { ...flag, namespaces })
  plain = await TestAppService.start('plain', { namespaces })
  const files = [eager, drafted, plain].map(service => service.file)
  server = await startServer({ config: { app_service_config_files: files } })
  eve = await server.user('eve')
  virtual = server.anonymous()
  Object.assign(virtual, { userId: '@_eager_bot:hs1', token: eager.asToken })
  shared = await eve.createRoom({ preset: 'public_chat' })
  hers = await eve.createRoom()
  await virtual.join(shared)
})
afterAll(async () => {
  await server.stop()
  for (const service of [eager, drafted, plain]) await service.stop()
})

describe('Pushing EDUs: `ephemeral` in the transactions of who asks for it', () => {
  const typing = (who: Client, room: string, isTyping = true) =>
    who.ok('PUT', who.roomPath(room, 'typing', who.userId), {
      body: { typing: isTyping, timeout: 30_000 },
    })
  const read = (who: Client, room: string, type: string, eventId: string) =>
    who.ok('POST', who.roomPath(room, 'receipt', type, eventId), { body: {} })
  const away = (who: Client) =>
    who.ok('PUT', `${v3}/presence/${enc(who.userId)}/status`, { body: { presence: 'unavailable' } })

  const told = (type: string) => eager.ephemeral().filter(event => event.type === type)
  test('who types in a room that its user is in, with the room’s id', async () => {
    await typing(eve, hers)
    await typing(eve, shared)
    await eager.until(() => told('m.typing').length === 1)
    await typing(eve, shared, false)
    await eager.until(() => told('m.typing').length === 2)
    expect(told('m.typing')).toEqual([
      { type: 'm.typing', room_id: shared, content: { user_ids: [eve.userId] } },
      { type: 'm.typing', room_id: shared, content: { user_ids: [] } },
    ])
  })

  test('who has read how far; private receipts of its own users only', async () => {
    const [first, second] = [await eve.say(shared, 'one'), await eve.say(shared, 'two')]
    await read(eve, hers, 'm.read', await eve.say(hers, 'not for bridges'))
    await read(eve, shared, 'm.read.private', first)
    await read(virtual, shared, 'm.read.private', second)
    await read(eve, shared, 'm.read', second)
    const receipts = (eventId: string, type: string) =>
      told('m.receipt').flatMap(({ content }) => Object.keys(content[eventId]?.[type] ?? {}))
    await eager.until(() => receipts(second, 'm.read').length > 0)
    expect(new Set(told('m.receipt').map(({ room_id }) => room_id))).toEqual(new Set([shared]))
    expect(receipts(second, 'm.read')).toEqual([eve.userId])
    expect(receipts(second, 'm.read.private')).toEqual([virtual.userId])
    expect(receipts(first, 'm.read.private')).toEqual([])
  })

  test('the presence of those who share a room with its user', async () => {
    const stranger = await server.user('stranger')
    await away(stranger)
    await away(eve)
    await eager.until(() => told('m.presence').some(({ sender }) => sender === eve.userId))
    const content = expect.objectContaining({ presence: 'unavailable' })
    expect(told('m.presence')).toEqual([{ type: 'm.presence', sender: eve.userId, content }])
  })

  test('with the draft’s flag, under the draft’s key; without any, not at all', async () => {
    await drafted.until(() => drafted.ephemeral().some(event => event.room_id === hers))
    const withKey = (service: TestAppService, key: string) =>
      service.heard.filter(({ body }) => key in body)
    expect(withKey(drafted, 'ephemeral')).toEqual([])
    expect(withKey(drafted, 'de.sorunome.msc2409.ephemeral')).not.toEqual([])
    expect(plain.heard).not.toEqual([])
    expect(plain.ephemeral()).toEqual([])
  })

  test('what is not acknowledged is sent again, and nothing is lost by a restart', async () => {
    eager.answer = () => ({ status: 500 })
    const before = eager.transactions().length
    const eventId = await eve.say(shared, 'while the bridge is down')
    await eager.until(() => eager.transactions().length > before)
    await read(eve, shared, 'm.read', eventId)
    eager.answer = () => ({ status: 200 })
    await server.restart()
    await eager.until(() => told('m.receipt').some(({ content }) => eventId in content))
    expect(eager.events().filter(event => event.event_id === eventId)).toHaveLength(1)
  })
})

test('what services are told of is looked up', async () => {
  const tell = async () => {
    const eventId = await eve.say(shared, 'hello')
    await eve.ok('POST', eve.roomPath(shared, 'receipt', 'm.read', eventId), { body: {} })
    const typing = { typing: true, timeout: 30_000 }
    await eve.ok('PUT', eve.roomPath(shared, 'typing', eve.userId), { body: typing })
    for (let i = 0; i < 10; i++) await (await server.user('frank')).sync()
    await server.idle()
  }
  expect(await server.walks(tell)).toEqual([])
})
