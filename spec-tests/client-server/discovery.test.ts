import type { Client } from '../support/client.ts'
import { closeConnections, sendRaw } from '../support/raw-http.ts'
import { startServer, type TestServer } from '../support/server.ts'

let server: TestServer
let nobody: Client
let alice: Client
beforeAll(async () => {
  server = await startServer()
  nobody = server.anonymous()
  alice = await server.user('alice')
})
afterAll(async () => {
  closeConnections()
  await server.stop()
})

const versionsPath = '/_matrix/client/versions'
const capabilitiesPath = '/_matrix/client/v3/capabilities'
const transportsPaths = [
  '/_matrix/client/v1/rtc/transports',
  '/_matrix/client/unstable/org.matrix.msc4143/rtc/transports',
]

describe('GET /.well-known/matrix/support', () => {
  const path = '/.well-known/matrix/support'

  test('404 where nobody has been named', async () => {
    const { status, body } = await nobody.request('GET', path)
    expect({ status, errcode: body.errcode }).toEqual({ status: 404, errcode: 'M_NOT_FOUND' })
  })

  test('whom the options name, for everybody to read', async () => {
    const contacts = [
      { matrix_id: '@admin:example.org', role: 'm.role.admin' },
      { email_address: 'security@example.org', role: 'm.role.security' },
    ]
    const support_page = 'https://example.org/support'
    for (const support of [{ contacts, support_page }, { contacts }, { support_page }]) {
      const named = await startServer({ config: { support } })
      const { status, headers, body } = await named.anonymous().request('GET', path)
      expect({ status, body }).toEqual({ status: 200, body: support })
      expect(headers.get('access-control-allow-origin')).toBe('*')
      await named.stop()
    }
  })

  test('the server does not start with a contact that leads to nobody', async () => {
    const support = { contacts: [{ role: 'm.role.admin' }] }
    await expect(startServer({ config: { support } })).rejects.toThrow(
      'support.contacts.0: needs matrix_id or email_address',
    )
  })
})

describe('GET /.well-known/matrix/client', () => {
  test('the homeserver is the host that was asked, for everybody to read', async () => {
    const { status, headers, body } = await nobody.request('GET', '/.well-known/matrix/client')
    expect(status).toBe(200)
    expect(headers.get('content-type')).toBe('application/json')
    expect(headers.get('access-control-allow-origin')).toBe('*')
    expect(body).toEqual({
      'm.homeserver': { base_url: server.baseUrl },
      'org.matrix.msc4143.rtc_foci': [],
    })
  })

  test.each(['"', 'text/plain; charset=utf-16'])(
    'no address is made of the host %s',
    async host => {
      const headers = { Host: host }
      const path = '/.well-known/matrix/client'
      const { body } = await sendRaw(server.baseUrl, { method: 'GET', path, headers })
      expect(body['m.homeserver'].base_url).toMatch(/^http:\/\/[\w.:]+$/)
    },
  )
})

describe('TestVersionStructure: GET /_matrix/client/versions', () => {
  test('the answer has a valid structure', async () => {
    const { status, body } = await nobody.request('GET', versionsPath)
    expect(status).toBe(200)
    expect(body.versions).not.toHaveLength(0)
    for (const version of body.versions) {
      expect(version).toMatch(/^(r0\.\d+\.\d+|v[1-9]\d*\.\d+(?:-\S+)?)$/)
    }
    for (const isSupported of Object.values(body.unstable_features)) {
      expect(typeof isSupported).toBe('boolean')
    }
  })

  test('the features that calls need are told', async () => {
    const { unstable_features } = await nobody.ok('GET', versionsPath)
    expect(unstable_features).toMatchObject({
      'org.matrix.msc4140': true,
      'org.matrix.msc4143': true,
      'org.matrix.msc4222': true,
    })
  })

  test('the server says what it is', async () => {
    const { server: itself } = await nobody.ok('GET', versionsPath)
    expect(itself).toEqual({ name: 'Hourglass', version: expect.stringMatching(/^\d+\.\d+\.\d+/) })
    expect(await nobody.ok('GET', '/_matrix/federation/v1/version')).toEqual({ server: itself })
  })
})

describe('TestServerCapabilities: GET /_matrix/client/v3/capabilities', () => {
  test('it is there for users, and well formed', async () => {
    const { capabilities } = await alice.ok('GET', capabilitiesPath)
    expect(capabilities).toMatchObject({
      'm.change_password': { enabled: true },
      'm.3pid_changes': { enabled: false },
      'm.get_login_token': { enabled: true },
      'm.delayed_events': { max_delay_ms: 86_400_000, max_scheduled: 100 },
      'org.matrix.msc4140.delayed_events': { max_delay_ms: 86_400_000, max_scheduled: 100 },
    })
  })

  test('profile fields have one name: ruma takes two for the same twice, and reads nothing', async () => {
    const { capabilities } = await alice.ok('GET', capabilitiesPath)
    const named = Object.keys(capabilities).filter(name => name.endsWith('profile_fields'))
    expect(named).toEqual(['m.profile_fields'])
  })

  test('the room versions that it names can be made, and the default is the default', async () => {
    const { capabilities } = await alice.ok('GET', capabilitiesPath)
    const { available, default: usual } = capabilities['m.room_versions']
    expect(usual).toBe('11')
    expect(Object.keys(available)).toEqual(expect.arrayContaining(['9', '10', '11', '12']))
    for (const version of Object.keys(available)) {
      const room = await alice.createRoom({ room_version: version })
      expect((await alice.state(room, 'm.room.create')).room_version).toBe(version)
    }
    const room = await alice.createRoom()
    expect((await alice.state(room, 'm.room.create')).room_version).toBe(usual)
  })

  test('it is not public', async () => {
    expect(await nobody.request('GET', capabilitiesPath)).toMatchObject({
      status: 401,
      body: { errcode: 'M_MISSING_TOKEN' },
    })
  })
})

describe('GET /health', () => {
  test('a server that runs says OK, in plain text', async () => {
    const { status, headers, text } = await nobody.request('GET', '/health')
    expect({ status, type: headers.get('content-type'), text }).toEqual({
      status: 200,
      type: 'text/plain',
      text: 'OK',
    })
  })
})

describe('GET /_matrix/client/v1/rtc/transports (MSC4143)', () => {
  test.each(transportsPaths)('%s is not public', async path => {
    expect(await nobody.request('GET', path)).toMatchObject({
      status: 401,
      body: { errcode: 'M_MISSING_TOKEN' },
    })
  })
})

describe('What the options say', () => {
  const livekit = { type: 'livekit', livekit_service_url: 'https://rtc.example.org/livekit/jwt' }
  let other: TestServer
  beforeAll(async () => {
    other = await startServer({
      config: {
        public_base_url: 'https://matrix.example.org',
        rtc_transports: [livekit],
        default_room_version: '12',
        delayed_events: { max_delay_ms: 0 },
      },
    })
  })
  afterAll(() => other.stop())

  test('public_base_url and rtc_transports are told by /.well-known/matrix/client', async () => {
    expect(await other.anonymous().ok('GET', '/.well-known/matrix/client')).toEqual({
      'm.homeserver': { base_url: 'https://matrix.example.org' },
      'org.matrix.msc4143.rtc_foci': [livekit],
    })
  })

  test('rtc_transports are told by both paths of MSC4143', async () => {
    const bob = await other.user('bob')
    for (const path of transportsPaths) {
      expect(await bob.ok('GET', path)).toEqual({ rtc_transports: [livekit] })
    }
  })

  test('default_room_version is told by /capabilities', async () => {
    const { capabilities } = await (await other.user('bob')).ok('GET', capabilitiesPath)
    expect(capabilities['m.room_versions'].default).toBe('12')
  })

  test('delayed events that are switched off are not advertised', async () => {
    const bob = await other.user('bob')
    const { unstable_features } = await bob.ok('GET', versionsPath)
    expect(unstable_features['org.matrix.msc4140']).toBe(false)
    const { capabilities } = await bob.ok('GET', capabilitiesPath)
    expect(capabilities['org.matrix.msc4140.delayed_events'].max_delay_ms).toBe(0)
  })
})
