/**
 * What others have scheduled costs nobody anything: rows are counted, not milliseconds, those that the
 * database visits for one request, or one moment.
 */
import type { Client } from '../support/client.ts'
import { startServer, type TestServer } from '../support/server.ts'

const unstable = 'org.matrix.msc4140'

let server: TestServer
let alice: Client
let room: string
beforeAll(async () => {
  server = await startServer()
  alice = await server.user('alice')
  room = await alice.createRoom()
  await alice.say(room, 'the sand runs')
})
afterAll(() => server.stop())

const far = 86_400_000
const ofMessage = () => alice.delay(room, 60_000, 'm.test', {})
const ofState = (key: string) => alice.delayState(room, 60_000, 'm.test', key, {})

/** Each prepares something, and gives what is measured. */
const requests: Record<string, () => Promise<() => Promise<unknown>>> = {
  'PUT …/send with a delay': async () => ofMessage,
  'PUT …/state with a delay': async () => () => ofState('a'),
  async 'POST …/restart'() {
    const delayId = await ofMessage()
    return () => alice.manage(delayId, 'restart')
  },
  async 'POST …/cancel'() {
    const delayId = await ofMessage()
    return () => alice.manage(delayId, 'cancel')
  },
  async 'POST …/send'() {
    const delayId = await ofState('b')
    return () => alice.manage(delayId, 'send')
  },
  async 'GET …/delayed_events'() {
    await ofMessage()
    return () => alice.scheduled()
  },
  async 'GET …/delayed_events/scheduled'() {
    await ofMessage()
    return () => alice.ok('GET', `/_matrix/client/unstable/${unstable}/delayed_events/scheduled`)
  },
  async 'GET …/delayed_events/finalised'() {
    await alice.manage(await ofMessage(), 'cancel')
    return () => alice.ok('GET', `/_matrix/client/unstable/${unstable}/delayed_events/finalised`)
  },
  'PUT …/send': async () => () => alice.say(room, 'it runs'),
  async 'PUT …/state, which cancels'() {
    await ofState('c')
    return () => alice.setState(room, 'm.test', 'c', { n: 1 })
  },
  async 'the moment when a message is due'() {
    await alice.delay(room, 1_000, 'm.test', {})
    return () => server.advance(1_000)
  },
  async 'the moment when state is due'() {
    await alice.delayState(room, 1_000, 'm.test', 'd', {})
    return () => server.advance(1_000)
  },
  async 'the moment when what was restarted would have been due'() {
    const delayId = await alice.delay(room, 1_000, 'm.test', {})
    await server.advance(500)
    await alice.manage(delayId, 'restart')
    return () => server.advance(500)
  },
  async 'a moment when nothing is due'() {
    return () => server.advance(1)
  },
}

async function rowsOf(name: string) {
  const prepare = requests[name]
  if (!prepare) throw new Error(`there is nothing called ${name}`)
  const request = await prepare()
  const { rows, statements, worst } = await server.rowsRead(request)
  for (const { delay_id } of await alice.scheduled()) await alice.manage(delay_id, 'cancel')
  return { rows, statements, worst: { ...worst, text: worst.text.replaceAll(/\s+/g, ' ') } }
}

test('with 20,000 scheduled by others, as much is read as with 500', async () => {
  const measure = async () => {
    const measured: Record<string, Awaited<ReturnType<typeof rowsOf>>> = {}
    for (const name of Object.keys(requests)) measured[name] = await rowsOf(name)
    return measured
  }
  const scheduleByOthers = async (count: number) => {
    await alice.delayState(room, far, 'm.test', 'far', {})
    await server.enlarge(room, { scheduled: count })
  }
  await scheduleByOthers(500)
  const few = await measure()
  await scheduleByOthers(20_000)
  const many = await measure()
  // What the measuring itself has finalised is read when the clock moves, and by some plans twice.
  const more = Object.entries(many).filter(
    ([name, { rows }]) => rows > (few[name]?.rows ?? 0) + 300,
  )
  expect(Object.fromEntries(more)).toEqual({})
  // It does count: the schedulings of all are there, and to count them is to read them.
  const { rows } = await server.rowsRead(() => server.rowCounts())
  expect(rows).toBeGreaterThan(20_000)
})

describe('what others, and what is over, stands under the same name', () => {
  /** @param more makes there be more of it */
  async function growthOf(request: () => Promise<unknown>, more: () => Promise<unknown>) {
    await request()
    const { rows: few } = await server.rowsRead(request)
    await more()
    const { rows: many } = await server.rowsRead(request)
    return many - few
  }

  test('a group of a name that others have had, and had sent', async () => {
    const bob = await server.user('bob')
    const ofGroup = async (client: Client) => {
      const query = { future_timeout: 1_000, future_group_id: 'leave' }
      const path = client.roomPath(room, 'send', 'm.test', client.nextTransactionId())
      await client.ok('PUT', path, { query, body: {} })
      await server.advance(1_000)
    }
    const more = async () => {
      for (let i = 0; i < 50; i++) await ofGroup(bob)
    }
    expect(await growthOf(() => ofGroup(alice), more)).toBeLessThan(40)
  })

  test('state of a key for which outsiders have scheduled what no state cancels', async () => {
    const bob = await server.user('bob')
    const more = async () => {
      for (let i = 0; i < 100; i++) {
        const path = bob.roomPath(room, 'delayed_event', 'm.test', bob.nextTransactionId())
        await bob.ok('PUT', path, { body: { delay_ms: far, state_key: 'mine', content: {} } })
      }
    }
    let n = 0
    const change = () => alice.setState(room, 'm.test', 'mine', { n: n++ })
    // Fewer than there are more of. By the plans of other sizes some rows more or less are read.
    expect(await growthOf(change, more)).toBeLessThan(20)
  })
})
