/** MSC4140's Futures as they were in 2024-07: ids instead of tokens, and an access token to use them. */
import type { Client } from '../support/client.ts'
import { startServer, type TestServer } from '../support/server.ts'
import type { JsonObject } from '../support/wire.ts'

let server: TestServer
let alice: Client
let bob: Client
let room: string
beforeAll(async () => {
  server = await startServer({
    config: { delayed_events: { dialects: { future_tokens: false } } },
  })
  alice = await server.user('alice')
  bob = await server.user('bob')
})
beforeEach(async () => {
  room = await alice.createRoom({ preset: 'public_chat' })
  await bob.join(room)
})
afterEach(async () => {
  for (const { delay_id } of await alice.scheduled()) await alice.manage(delay_id, 'cancel')
})
afterAll(() => server.stop())

const client = '/_matrix/client'
const unstable = `${client}/unstable/org.matrix.msc4140`
type Query = Record<string, string | number>
const put = (query: Query, body: JsonObject = {}, by = alice) =>
  by.request('PUT', by.roomPath(room, 'send', 'm.test', by.nextTransactionId()), { query, body })
const schedule = async (query: Query, n = 0): Promise<string> => {
  const { status, body } = await put(query, { n })
  expect({ status, names: Object.keys(body) }).toEqual({ status: 200, names: ['future_id'] })
  return String(body.future_id)
}
const gist = ({ status, body }: { status: number; body: JsonObject }) => `${status} ${body.errcode}`
const sent = async () =>
  (await bob.messages(room, { dir: 'b' })).chunk
    .filter(({ type }) => type === 'm.test')
    .map(({ content }) => content.n)

const ways: [string, (id: string, action: string, by?: Client) => ReturnType<Client['request']>][] =
  [
    ...['/v1', '/unstable/org.matrix.msc4140'].flatMap((version): typeof ways => [
      [
        `POST ${version}/update_future`,
        (id, action, by = alice) =>
          by.request('POST', `${client}${version}/update_future`, {
            body: { future_id: id, action },
          }),
      ],
      [
        `POST ${version}/futures/{future_id}`,
        (id, action, by = alice) =>
          by.request('POST', `${client}${version}/futures/${id}`, { body: { action } }),
      ],
    ]),
  ]

describe.each(ways)('%s', (_, update) => {
  test.each(['refresh', 'restart'])('%s, then send', async refresh => {
    const id = await schedule({ future_timeout: 1_000 }, 1)
    await server.advance(900)
    expect(await update(id, refresh)).toMatchObject({ status: 200, body: {} })
    await server.advance(900)
    expect(await sent()).toEqual([])
    expect((await update(id, 'send')).status).toBe(200)
    expect(await sent()).toEqual([1])
    expect(gist(await update(id, 'cancel'))).toBe('410 M_NOT_FOUND')
  })

  test('cancel; what is not there, or not yours, is 410; a wrong action is refused', async () => {
    const id = await schedule({ 'org.matrix.msc4140.future_timeout': 1_000 }, 1)
    expect(gist(await update(id, 'cancel', bob))).toBe('410 M_NOT_FOUND')
    expect(gist(await update('unknown', 'cancel'))).toBe('410 M_NOT_FOUND')
    expect(gist(await update(id, 'oops'))).toBe('400 M_INVALID_PARAM')
    expect((await update(id, 'cancel')).status).toBe(200)
    await server.advance(2_000)
    expect(await sent()).toEqual([])
  })

  test('needs an access token', async () => {
    expect(gist(await update('x', 'send', server.anonymous()))).toBe('401 M_MISSING_TOKEN')
  })
})

describe('parent_future_id', () => {
  test('the child waits for an action, and of parent and child one is sent', async () => {
    const parent = await schedule({ future_timeout: 1_000 }, 1)
    await schedule({ parent_future_id: parent }, 2)
    await server.advance(1_000)
    expect(await sent()).toEqual([1])
    expect(await alice.scheduled()).toEqual([])
  })

  test("an unknown one, a child and another user's are refused", async () => {
    const unknown = '400 M_UNKNOWN_FUTURE_PARENT_FUTURE_ID'
    const parent = await schedule({ future_timeout: 1_000 })
    const child = await schedule({ parent_future_id: parent, future_timeout: 500 })
    expect(gist(await put({ parent_future_id: 'x' }))).toBe(unknown)
    expect(gist(await put({ parent_future_id: child }))).toBe(unknown)
    expect(gist(await put({ parent_future_id: parent }, {}, bob))).toBe('400 M_FORBIDDEN')
    expect(await sent()).toEqual([])
  })

  test('beside future_group_id it names the same group, or both are refused', async () => {
    const parent = await schedule({ future_timeout: 1_000, future_group_id: 'ours' })
    const other = { parent_future_id: parent, future_group_id: 'other' }
    expect(gist(await put(other))).toBe('400 M_INVALID_PARAM')
    expect(await alice.scheduled()).toHaveLength(1)
    await schedule({ parent_future_id: parent, future_group_id: 'ours' }, 2)
    expect(await alice.scheduled()).toHaveLength(2)
    await server.advance(1_000)
  })
})

test.each([`${client}/v1/futures`, `${unstable}/futures`])('GET %s', async path => {
  const id = await schedule({ future_timeout: 60_000 }, 1)
  const child = await schedule({ parent_future_id: id }, 2)
  const statePath = alice.roomPath(room, 'state', 'm.call', 'k')
  const query = { future_timeout: 50_000 }
  const { future_id } = await alice.ok('PUT', statePath, { query, body: {} })
  const common = { room_id: room, running_since: server.now() }
  expect(await alice.ok('GET', path)).toEqual({
    futures: [
      { ...common, future_id, event_type: 'm.call', state_key: 'k', timeout: 50_000, content: {} },
      { ...common, future_id: id, event_type: 'm.test', timeout: 60_000, content: { n: 1 } },
      { ...common, future_id: child, event_type: 'm.test', content: { n: 2 } },
    ],
  })
  expect(await bob.ok('GET', path)).toEqual({ futures: [] })
})

test('where the dialect of tokens is off, its places are unknown', async () => {
  const answer = await server.anonymous().request('POST', `${client}/v1/future/x`, { body: {} })
  expect(gist(answer)).toMatch(/^(404|405) M_UNRECOGNIZED$/)
})
