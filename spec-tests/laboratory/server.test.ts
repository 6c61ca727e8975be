/** The server as a whole over HTTP: users, snapshots, reset, and the description of all of it. */
import { Ajv2020 } from 'ajv/dist/2020.js'
import type { Answer, Client } from '../support/client.ts'
import { startServer, type TestServer } from '../support/server.ts'
import type { JsonObject } from '../support/wire.ts'

const lab = '/_hourglass/lab/v1'
const whoAmI = '/_matrix/client/v3/account/whoami'

let server: TestServer
let anonymous: Client
beforeAll(async () => {
  server = await startServer({ config: { lab: true } })
  anonymous = server.anonymous()
})
afterAll(() => server.stop())

const call = (method: string, path: string, body?: JsonObject): Promise<Answer> =>
  anonymous.request(method, `${lab}/${path}`, { body })
const post = (path: string, body?: JsonObject) => call('POST', path, body)

async function users(...names: string[]): Promise<Client[]> {
  const { status, body } = await post('users', { users: names })
  expect(status).toBe(200)
  return (body.users as Record<string, string>[]).map(user => {
    const client = server.anonymous()
    client.userId = user.user_id ?? ''
    client.deviceId = user.device_id ?? ''
    client.token = user.access_token
    return client
  })
}

describe('POST users', () => {
  test('makes many at once, each logged in', async () => {
    const made = await users(...Array.from({ length: 100 }, (_, i) => `many-${i}`))
    expect(new Set(made.map(user => user.token)).size).toBe(100)
    expect(await made[99]?.ok('GET', whoAmI)).toMatchObject({ user_id: '@many-99:hs1' })
  })

  test('with a password they can log in by themselves', async () => {
    await post('users', { users: ['dave'], password: 'secret' })
    const dave = server.anonymous()
    dave.userId = '@dave:hs1'
    dave.password = 'secret'
    expect(await dave.login()).toMatchObject({ user_id: '@dave:hs1' })
  })

  test.each<[string, JsonObject, string]>([
    ['nobody', { users: [] }, 'M_INVALID_PARAM'],
    ['no list', { users: 'eve' }, 'M_BAD_JSON'],
    ['a name that is none', { users: ['eve', 'e v e'] }, 'M_INVALID_USERNAME'],
    ['nothing', {}, 'M_MISSING_PARAM'],
  ])('%s is refused, and nobody is made', async (_, body, errcode) => {
    const before = await server.rowCounts()
    expect(await post('users', body)).toMatchObject({ status: 400, body: { errcode } })
    expect(await server.rowCounts()).toEqual(before)
  })
})

test.each<[string, JsonObject]>([
  ['clock/advance-until-idle', { ms: 1_000 }],
  ['clock/run', { sped: 1_000 }],
  ['clock/freeze', { now: 0 }],
  ['clock/advance', { ms: 1_000, now: 0 }],
  ['users', { users: ['frank'], pasword: 'secret' }],
  ['snapshot', { id: 'mine' }],
  ['reset', { id: 'mine' }],
])('POST %s with an option that there is not, %j, is refused', async (path, body) => {
  const before = [server.now(), await server.rowCounts()]
  expect(await post(path, body)).toMatchObject({
    status: 400,
    body: { errcode: 'M_INVALID_PARAM' },
  })
  expect([server.now(), await server.rowCounts()]).toEqual(before)
  expect((await call('GET', 'clock')).body.speed).toBe(0)
})

test('POST users: who was deactivated cannot be logged in, nor anybody with them', async () => {
  await post('users', { users: ['gone'], password: 'secret' })
  const gone = server.anonymous()
  gone.userId = '@gone:hs1'
  gone.password = 'secret'
  await gone.login()
  const identifier = { type: 'm.id.user', user: gone.userId }
  const auth = { type: 'm.login.password', identifier, password: gone.password }
  await gone.ok('POST', '/_matrix/client/v3/account/deactivate', { body: { auth } })
  const before = await server.rowCounts()
  expect(await post('users', { users: ['new', 'gone'] })).toMatchObject({
    status: 403,
    body: { errcode: 'M_USER_DEACTIVATED' },
  })
  expect(await server.rowCounts()).toEqual(before)
})

describe('snapshot, restore and reset', () => {
  test('a restore brings back rooms, users and time, under the same address', async () => {
    const [alice] = await users('alice')
    const room = await alice?.createRoom()
    const { id, now } = (await post('snapshot')).body
    expect(now).toBe(server.now())
    await post('clock/advance', { ms: 60_000 })
    await alice?.leave(String(room))
    const [late] = await users('late')
    expect(await post('restore', { id: String(id) })).toMatchObject({
      status: 200,
      body: { now, speed: 0 },
    })
    expect(await alice?.ok('GET', '/_matrix/client/v3/joined_rooms')).toEqual({
      joined_rooms: [room],
    })
    expect((await late?.request('GET', whoAmI))?.status).toBe(401)
  })

  test('requests that come while it is restored are answered afterwards', async () => {
    const [alice] = await users('alice')
    const { id } = (await post('snapshot')).body
    const answers = await Promise.all([
      post('restore', { id: String(id) }),
      ...Array.from({ length: 10 }, () => alice?.request('GET', whoAmI)),
    ])
    expect(answers.map(answer => answer?.status)).toEqual(Array(11).fill(200))
  })

  test('what was forgotten, or was never put aside, is not there', async () => {
    const { id } = (await post('snapshot')).body
    expect((await call('DELETE', `snapshot/${id}`)).status).toBe(200)
    const notFound = { status: 404, body: { errcode: 'M_NOT_FOUND' } }
    expect(await post('restore', { id: String(id) })).toMatchObject(notFound)
    expect(await call('DELETE', `snapshot/${id}`)).toMatchObject(notFound)
    expect(await post('restore', { id: 'public' })).toMatchObject(notFound)
  })

  test('a reset leaves nothing, and the server works', async () => {
    const [alice] = await users('alice')
    await alice?.createRoom()
    const before = server.now()
    expect(await post('reset')).toMatchObject({ status: 200, body: { now: before } })
    expect((await alice?.request('GET', whoAmI))?.status).toBe(401)
    const counts = Object.entries(await server.rowCounts()).filter(([, rows]) => rows > 0)
    expect(counts.map(([table]) => table)).toEqual(['migrations', 'server'])
    const [again] = await users('alice')
    expect(await again?.createRoom()).toMatch(/^!/)
  })
})

describe('GET openapi.json', () => {
  let description: { paths: Record<string, Record<string, JsonObject>>; components: JsonObject }
  beforeAll(async () => {
    description = (await anonymous.ok('GET', `${lab}/openapi.json`)) as typeof description
  })

  test('describes every endpoint, and no other', () => {
    const described = Object.entries(description.paths).flatMap(([path, methods]) =>
      Object.keys(methods).map(method => `${method.toUpperCase()} ${lab}${path}`),
    )
    const served = hourglass.labEndpoints.flatMap(({ method, paths }) =>
      paths.map(path => `${method} ${path.replace(/:(\w+)/g, '{$1}')}`),
    )
    expect(described.sort()).toEqual(served.sort())
  })

  test('names the members of every body', () => {
    for (const { method, paths, bodyNames } of hourglass.labEndpoints) {
      const path = paths[0]?.slice(lab.length).replace(/:(\w+)/g, '{$1}') ?? ''
      const operation = description.paths[path]?.[method.toLowerCase()]
      const schema = JSON.parse(JSON.stringify(operation?.requestBody ?? null))?.content[
        'application/json'
      ].schema
      expect([path, Object.keys(schema?.properties ?? {}).sort()]).toEqual([
        path,
        [...bodyNames].sort(),
      ])
    }
  })

  test('its shapes are those of the answers', async () => {
    const ajv = new Ajv2020({ strict: false })
    const check = async (method: string, path: string, body?: JsonObject, template = path) => {
      const answer = await call(method, path, body)
      expect(answer.status).toBe(200)
      const operation = description.paths[`/${template}`]?.[method.toLowerCase()]
      const responses = operation?.responses as Record<string, { content: JsonObject }> | undefined
      const content = responses?.['200']?.content['application/json'] as { schema: JsonObject }
      const schema = { ...content.schema, components: description.components }
      const validate = ajv.compile({ ...schema, unevaluatedProperties: false })
      validate(answer.body)
      expect([path, validate.errors]).toEqual([path, null])
      return answer.body
    }
    const [alice] = await users('alice')
    const room = (await alice?.createRoom()) ?? ''
    const schedule = (delayMs: number) =>
      alice?.delayState(room, delayMs, 'm.room.topic', '', { topic: 'later' })
    await schedule(1_000)
    await check('GET', 'clock')
    await check('POST', 'clock/advance', { ms: 1_000 })
    // Of a group one is sent, and the others are cancelled for it.
    for (const query of [{ future_timeout: 1_000 }, {}]) {
      const path = alice?.roomPath(room, 'send', 'm.test', alice.nextTransactionId()) ?? ''
      await alice?.ok('PUT', path, { query: { ...query, future_group_id: 'group' }, body: {} })
    }
    const { fired } = await check('POST', 'clock/advance', { ms: 1_000 })
    expect(fired).toMatchObject([{ cause: 'delay' }, { cause: 'group' }])
    await schedule(1_000)
    await check('POST', 'clock/advance-until-idle')
    await check('POST', 'clock/set', { now: server.now() + 1 })
    await check('POST', 'clock/run')
    await check('POST', 'clock/freeze')
    await check('POST', 'users', { users: ['bob'] })
    const { id } = await check('POST', 'snapshot')
    await check('POST', 'restore', { id: String(id) })
    await check('DELETE', `snapshot/${id}`, undefined, 'snapshot/{id}')
    await check('POST', 'reset')
  })
})
