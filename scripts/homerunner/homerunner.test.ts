/** Homerunner's requests, as its client library and Complement's tests of it make them. */
import { spawn } from 'node:child_process'
import type { Server } from 'node:http'
import { get } from 'node:https'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { labClock } from '../../server/lib/lab-clock.ts'
import { Client } from '../../spec-tests/support/client.ts'
import type { Homeserver } from '../../spec-tests/support/server.ts'
import type { JsonObject } from '../../spec-tests/support/wire.ts'
import { parseBlueprint } from './blueprint.ts'
import { Deployments, lifetimeMsOf } from './deployments.ts'
import { knownBlueprint } from './known-blueprints.ts'
import { listen } from './listen.ts'

const lifetimeMs = 30 * 60_000
const clock = labClock(Date.UTC(2030, 0, 1))
const said: string[] = []
const deployments = new Deployments({
  clock,
  lifetimeMs,
  // The built server, which the worker has loaded already.
  place: {
    start: options => hourglass.Homeserver.start(options),
    host: '127.0.0.1',
    databaseUrl: process.env.HOURGLASS_TEST_DATABASE_URL,
  },
  log: line => void said.push(line),
})

let server: Server
beforeAll(async () => {
  server = await listen(deployments, '127.0.0.1', 0)
})
afterEach(() => deployments.destroyAll())
afterAll(() => void server.close())

async function ask(method: string, path: string, body?: unknown) {
  const { port } = server.address() as AddressInfo
  const given = typeof body === 'string' ? body : JSON.stringify(body)
  const options = given === undefined ? { method } : { method, body: given }
  const answer = await fetch(`http://127.0.0.1:${port}${path}`, options)
  const text = await answer.text()
  return { status: answer.status, headers: answer.headers, body: text ? JSON.parse(text) : null }
}
const create = (body: unknown) => ask('POST', '/create', body)
const destroy = (name: string) => ask('POST', '/destroy', { blueprint_name: name })

/** A client that has been given somebody's token. */
function clientOf(homeserver: JsonObject, userId: string): Client {
  const client = new Client(() => homeserver.BaseURL)
  client.userId = userId
  client.token = homeserver.AccessTokens[userId]
  return client
}

const isUp = (url: string) =>
  fetch(`${url}/_matrix/client/versions`).then(
    ({ status }) => status === 200,
    () => false,
  )

describe('POST /create with the name of a blueprint', () => {
  test('one_to_one_room: two users in a room, with their tokens', async () => {
    const { status, body } = await create({
      base_image_uri: 'complement-dendrite',
      blueprint_name: 'one_to_one_room',
    })
    expect(status).toBe(200)
    expect(body).toEqual({
      homeservers: {
        hs1: {
          BaseURL: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+$/),
          FedBaseURL: expect.stringMatching(/^https:\/\/127\.0\.0\.1:\d+$/),
          ContainerID: expect.stringMatching(/^[0-9a-f]{64}$/),
          AccessTokens: { '@alice:hs1': expect.any(String), '@bob:hs1': expect.any(String) },
          DeviceIDs: { '@alice:hs1': expect.any(String), '@bob:hs1': expect.any(String) },
          ApplicationServices: {},
        },
      },
      expires: new Date(clock.now() + lifetimeMs).toISOString(),
    })
    const { hs1 } = body.homeservers
    const alice = clientOf(hs1, '@alice:hs1')
    const [[roomId = '', room] = []] = Object.entries((await alice.sync()).rooms.join ?? {})
    expect(room?.timeline.events.at(-1)).toMatchObject({
      sender: '@bob:hs1',
      content: { msgtype: 'm.text', body: 'Hello world' },
    })
    await clientOf(hs1, '@bob:hs1').say(roomId, 'It is a real one')
    const { displayname } = await alice.ok('GET', '/_matrix/client/v3/profile/@bob:hs1')
    expect(displayname).toBe('Bob')
    const overTls = await new Promise(resolve => {
      const options = { rejectUnauthorized: false, agent: false }
      get(`${hs1.FedBaseURL}/_matrix/federation/v1/version`, options, response => {
        response.resume()
        resolve(response.statusCode)
      })
    })
    expect(overTls).toBe(200)
  })

  test('hs_with_application_service: its token and its registration, and a second homeserver', async () => {
    const { body } = await create({ blueprint_name: 'hs_with_application_service' })
    const { hs1, hs2 } = body.homeservers
    expect(Object.keys(hs1.AccessTokens)).toEqual([
      '@alice:hs1',
      '@bob:hs1',
      '@the-bridge-user:hs1',
    ])
    expect(Object.keys(hs2.AccessTokens)).toEqual(['@charlie:hs2'])
    expect(hs1.ApplicationServices.my_as_id).toMatch(/^id: my_as_id\nhs_token: [0-9a-f]{64}\n/)
    const bridge = clientOf(hs1, '@the-bridge-user:hs1')
    expect(await bridge.ok('GET', '/_matrix/client/v3/account/whoami')).toMatchObject({
      user_id: '@the-bridge-user:hs1',
    })
  })

  test.each([
    ['nobody', /no blueprint with the name nobody/],
    ['federation_one_to_one_room', /the room alice_room is on another homeserver.*not federate/],
  ])('%s is 400', async (blueprint_name, message) => {
    const { status, body } = await create({ blueprint_name })
    expect({ status, body }).toEqual({
      status: 400,
      body: { message: expect.stringMatching(message) },
    })
  })
})

describe('POST /create with a blueprint of its own', () => {
  const blueprint = {
    Name: 'mine',
    Homeservers: [
      {
        Name: 'hs9',
        Users: [
          {
            Localpart: 'anon-64',
            DisplayName: 'anon',
            AccountData: [{ Key: 'm.x', Value: { y: 1 } }],
          },
          { Localpart: '@bob', DeviceID: 'BOB', OneTimeKeys: 3 },
        ],
        Rooms: [
          {
            Ref: 'r',
            Creator: '@anon-64',
            CreateRoom: { preset: 'private_chat', name: 'Ours' },
            Events: [
              {
                Type: 'm.room.member',
                Sender: '@anon-64',
                StateKey: '@bob',
                Content: { membership: 'invite' },
              },
              {
                type: 'm.room.member',
                sender: '@bob:hs9',
                state_key: '@bob:hs9',
                content: { membership: 'join' },
              },
            ],
          },
          { Ref: 'r', Events: [{ Type: 'm.x', Sender: '@bob', Content: { later: true } }] },
        ],
      },
    ],
    KeepAccessTokensForUsers: ['@bob:hs9'],
  }

  test('users, devices, keys, account data, rooms by reference, events; and only the tokens that are to be kept', async () => {
    const { status, body } = await create({ base_image_uri: '', blueprint })
    expect(status).toBe(200)
    const { hs9 } = body.homeservers
    expect(Object.keys(hs9.AccessTokens)).toEqual(['@bob:hs9'])
    expect(hs9.DeviceIDs['@bob:hs9']).toBe('BOB')
    const bob = clientOf(hs9, '@bob:hs9')
    const { rooms, ...rest } = await bob.sync()
    const [room] = Object.values(rooms.join ?? {})
    expect(room?.timeline.events.map(({ type }) => type)).toContain('m.room.name')
    expect(room?.timeline.events.at(-1)).toMatchObject({ type: 'm.x', content: { later: true } })
    expect(rest).toMatchObject({ device_one_time_keys_count: { signed_curve25519: 3 } })
    const anon = new Client(() => hs9.BaseURL)
    anon.userId = '@anon-64:hs9'
    anon.password = 'complement_meets_min_password_req_anon-64'
    await anon.login()
    const path = '/_matrix/client/v3/user/@anon-64:hs9/account_data/m.x'
    expect(await anon.ok('GET', path)).toEqual({ y: 1 })
  })

  test.each([
    ['no name', { Homeservers: [{ Name: 'hs1' }] }, /name: /],
    ['no homeservers', { Name: 'x', Homeservers: [] }, /homeservers: /],
    [
      'a name that is none',
      { Name: 'x', Homeservers: [{ Name: 'not a name' }] },
      /homeservers\.0\.name: is not a Matrix server name/,
    ],
    [
      'one homeserver twice',
      { Name: 'x', Homeservers: [{ Name: 'a' }, { Name: 'a' }] },
      /one name/,
    ],
    [
      'a user of another homeserver',
      { Name: 'x', Homeservers: [{ Name: 'hs1', Rooms: [{ Creator: '@alice:hs2' }] }] },
      /@alice:hs2 is not a user of hs1/,
    ],
    [
      'what the homeserver refuses',
      { Name: 'x', Homeservers: [{ Name: 'hs1', Users: [{ Localpart: 'a b' }] }] },
      /M_INVALID_USERNAME/,
    ],
  ])('%s is 400, and leaves nothing behind', async (_, given, message) => {
    const { status, body } = await create({ blueprint: given })
    expect({ status, body }).toEqual({
      status: 400,
      body: { message: expect.stringMatching(message) },
    })
    expect((await destroy('x')).status).toBe(500)
  })

  test('the same name again is 400, until it has been destroyed', async () => {
    const clean = { blueprint_name: 'clean_hs' }
    const first = await create(clean)
    const { status, body } = await create(clean)
    expect({ status, body }).toEqual({
      status: 400,
      body: { message: expect.stringContaining('already exists') },
    })
    expect((await destroy('clean_hs')).body).toEqual({})
    expect(await isUp(first.body.homeservers.hs1.BaseURL)).toBe(false)
    expect((await create(clean)).status).toBe(200)
  })
})

test('what is still being made when all is to end, ends as well', async () => {
  const started: Homeserver[] = []
  let rooms: number | undefined
  const own = new Deployments({
    clock,
    lifetimeMs,
    place: {
      async start(options) {
        const homeserver = await hourglass.Homeserver.start(options)
        started.push(homeserver)
        const stop = homeserver.stop.bind(homeserver)
        homeserver.stop = async () => {
          rooms = (await homeserver.rowCounts()).rooms
          await stop()
        }
        return homeserver
      },
      host: '127.0.0.1',
      databaseUrl: process.env.HOURGLASS_TEST_DATABASE_URL,
    },
    log: () => undefined,
  })
  const making = own.create(parseBlueprint(knownBlueprint('perf_many_rooms')))
  const refused = expect(making).rejects.toThrow('is ending')
  while (started.length === 0) await new Promise(setImmediate)
  await own.destroyAll()
  expect(await isUp(started[0]?.baseUrl ?? '')).toBe(false)
  await refused
  // It would have 400, and whoever has told it to end would wait for all of them.
  expect(rooms).toBe(0)
})

test('what has run for its time is gone', async () => {
  const { body } = await create({ blueprint_name: 'clean_hs' })
  const url = body.homeservers.hs1.BaseURL
  await clock.advance(lifetimeMs - 1, async () => undefined)
  expect(await isUp(url)).toBe(true)
  await clock.advance(1, async () => undefined)
  expect(said).toEqual(['clean_hs has expired'])
  expect((await destroy('clean_hs')).status).toBe(500)
  while (await isUp(url)) await new Promise(setImmediate)
})

test.each([
  ['POST', '/create', 'not JSON', 400],
  ['POST', '/create', {}, 400],
  ['POST', '/destroy', {}, 400],
  ['POST', '/destroy', { blueprint_name: 'nobody' }, 500],
  ['GET', '/create', undefined, 404],
])('%s %s with %j is %i', async (method, path, body, status) => {
  const answer = await ask(method, path, body)
  expect(answer).toMatchObject({ status, body: { message: expect.any(String) } })
})

test('GET /health, and what browsers ask before', async () => {
  expect(await ask('GET', '/health')).toMatchObject({ status: 200, body: null })
  const preflight = await ask('OPTIONS', '/create')
  expect(preflight.status).toBe(200)
  expect(preflight.headers.get('Access-Control-Allow-Origin')).toBe('*')
})

test.each(['abc', '0', '-1', '1e9', 'NaN'])(
  'HOMERUNNER_LIFETIME_MINS=%s is said to be none at the start',
  minutes => {
    expect(() => lifetimeMsOf(minutes)).toThrow('HOMERUNNER_LIFETIME_MINS')
    expect(lifetimeMsOf('0.5')).toBe(30_000)
    expect(lifetimeMsOf(undefined)).toBe(lifetimeMs)
    expect(lifetimeMsOf('')).toBe(lifetimeMs)
  },
)

test.each([
  ['HOMERUNNER_PORT', 'abc'],
  ['HOMERUNNER_LIFETIME_MINS', 'abc'],
  ['HOMERUNNER_HS_PORTBINDING_IP', 'banana'],
  ['HOMERUNNER_SNAPSHOT_BLUEPRINT', 'alice'],
])('%s=%s is refused in one line', async (name, value) => {
  const main = new URL('../../dist/scripts/homerunner/main.js', import.meta.url)
  const env = { ...process.env, NODE_OPTIONS: undefined, [name]: value }
  const child = spawn(process.execPath, [main.pathname], { env, stdio: ['ignore', 'pipe', 'pipe'] })
  const ended = new Promise(resolve => child.once('close', resolve))
  const [said, complaint] = await Promise.all([text(child.stdout), text(child.stderr)])
  expect({ said, complaint, exitCode: await ended }).toEqual({
    said: '',
    complaint: expect.stringMatching(/^[^\n]+\n$/),
    exitCode: 1,
  })
})
