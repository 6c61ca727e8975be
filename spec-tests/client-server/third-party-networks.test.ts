import { type Heard, TestAppService } from '../support/app-service.ts'
import type { Client } from '../support/client.ts'
import { startServer, type TestServer } from '../support/server.ts'
import type { JsonObject } from '../support/wire.ts'

const base = '/_matrix/client/v3/thirdparty'
const notFound = { status: 404, body: { errcode: 'M_NOT_FOUND' } }

/** What a service says of IRC, with one network. */
const irc = (network: string) => ({
  user_fields: ['network', 'nickname'],
  location_fields: ['network', 'channel'],
  icon: 'mxc://hs1/irc',
  field_types: {
    network: { regexp: '[a-z.]+', placeholder: 'irc.example.org' },
    nickname: { regexp: '[^\\s]+', placeholder: 'username' },
    channel: { regexp: '#[^\\s]+', placeholder: '#channel' },
  },
  instances: [{ network_id: network, desc: network, fields: { network } }],
})
const somebody = {
  userid: '@_irc_somebody:hs1',
  protocol: 'irc',
  fields: { network: 'libera', nickname: 'some body' },
}
const somewhere = {
  alias: '#_irc_somewhere:hs1',
  protocol: 'irc',
  fields: { network: 'libera', channel: '#somewhere' },
}

let server: TestServer
let services: TestAppService[]
let alice: Client
beforeAll(async () => {
  services = [
    await TestAppService.start('irc', { protocols: ['irc', 'lost'] }),
    await TestAppService.start('other', { protocols: ['irc'] }),
    // Leads nowhere; one that cannot be asked; and one that is not there.
    await TestAppService.start('plain'),
    await TestAppService.start('silent', { url: null, protocols: ['irc', 'silent'] }),
    await TestAppService.start('gone', { url: 'http://127.0.0.1:1', protocols: ['irc'] }),
  ]
  const files = services.map(service => service.file)
  server = await startServer({ config: { app_service_config_files: files } })
  alice = await server.user('alice')
})
afterAll(async () => {
  await server.stop()
  await Promise.all(services.map(service => service.stop()))
})
beforeEach(() => {
  for (const [i, network] of ['libera', 'oftc', 'plain'].entries()) {
    const service = services[i] as TestAppService
    service.heard.length = 0
    service.answer = answersOf(network)
  }
})

/** A service knows one user and one room, and describes its network. */
function answersOf(network: string) {
  return ({ path }: Heard): { status: number; body?: JsonObject } => {
    const { pathname, searchParams: asked } = new URL(path, 'http://service')
    const at = pathname.replace('/_matrix/app/v1/thirdparty', '')
    if (at === '/protocol/irc') return { status: 200, body: irc(network) }
    if (network !== 'libera') return { status: 404, body: { errcode: 'M_NOT_FOUND' } }
    const isSomebody =
      at === '/user/irc'
        ? asked.get('nickname') === 'some body'
        : at === '/user' && asked.has('userid')
    const isSomewhere =
      at === '/location/irc' ? asked.get('channel') === '#somewhere' : at === '/location'
    if (isSomebody) return { status: 200, body: [somebody, { userid: 1 }] as unknown as JsonObject }
    if (isSomewhere) return { status: 200, body: [somewhere] as unknown as JsonObject }
    return { status: pathname.includes('/thirdparty/') ? 404 : 200 }
  }
}
const ask = (path: string, query: Record<string, string> = {}) =>
  alice.request('GET', `${base}${path}`, { query })

describe('GET /_matrix/client/v3/thirdparty/protocols', () => {
  test('where no service leads anywhere there are none: Element Web asks at every start', async () => {
    const plain = await startServer()
    expect(await (await plain.user()).ok('GET', `${base}/protocols`)).toEqual({})
    await plain.stop()
  })

  test('those of services that answer, with the instances of all; each has an id of its own', async () => {
    const { status, body } = await ask('/protocols')
    const instances = [
      { ...irc('libera').instances[0], instance_id: 'irc|libera' },
      { ...irc('oftc').instances[0], instance_id: 'other|oftc' },
    ]
    expect({ status, body }).toEqual({
      status: 200,
      body: { irc: { ...irc('libera'), instances } },
    })
    expect((await ask('/protocol/irc')).body).toEqual(body.irc)
    expect(services[2]?.heard).toEqual([])
  })

  test('one that nobody describes is 404', async () => {
    for (const protocol of ['lost', 'silent', 'never', '__proto__']) {
      expect(await ask(`/protocol/${protocol}`)).toMatchObject(notFound)
    }
  })
})

test('POST /publicRooms: no room here belongs to an instance of a protocol', async () => {
  await alice.createRoom({ visibility: 'public' })
  const list = (body: JsonObject) => alice.ok('POST', '/_matrix/client/v3/publicRooms', { body })
  expect((await list({})).chunk).toHaveLength(1)
  expect((await list({ third_party_instance_id: 'irc|libera' })).chunk).toEqual([])
})

describe('Users and rooms that stand for somebody or something there', () => {
  test('are found by the fields of the protocol', async () => {
    const { body } = await ask('/user/irc', { network: 'libera', nickname: 'some body' })
    expect(body).toEqual([somebody])
    const place = await ask('/location/irc', { network: 'libera', channel: '#somewhere' })
    expect(place.body).toEqual([somewhere])
  })

  test('say for whom or what they stand', async () => {
    expect((await ask('/user', { userid: somebody.userid })).body).toEqual([somebody])
    expect((await ask('/location', { alias: somewhere.alias })).body).toEqual([somewhere])
    expect(services[2]?.heard).toEqual([])
  })

  test('are 404 where nobody knows them', async () => {
    expect(await ask('/user/irc', { nickname: 'nobody' })).toMatchObject(notFound)
    expect(await ask('/location/irc', { channel: '#nowhere' })).toMatchObject(notFound)
    expect(await ask('/user/never', { nickname: 'some body' })).toMatchObject(notFound)
  })

  test('are asked for by name', async () => {
    const missing = { status: 400, body: { errcode: 'M_MISSING_PARAM' } }
    expect(await ask('/user')).toMatchObject(missing)
    expect(await ask('/location')).toMatchObject(missing)
    expect(await ask('/user', { userid: 'nobody' })).toMatchObject({ status: 400 })
  })

  test('the token of who asks is not passed on', async () => {
    const query = { nickname: 'some body', access_token: alice.token ?? '' }
    await alice.ok('GET', `${base}/user/irc`, { query, token: null })
    expect(services[0]?.heard.map(({ path }) => path)).toEqual([
      '/_matrix/app/v1/thirdparty/user/irc?nickname=some+body',
    ])
  })
})
