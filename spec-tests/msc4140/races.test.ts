import { type Client, delayedEvents } from '../support/client.ts'
import { runScript } from '../support/scripts.ts'
import { startServer, type TestServer } from '../support/server.ts'
import type { JsonObject, WireEvent } from '../support/wire.ts'

const delayMs = 5_000
const rounds = 4
const theirs = { by: 'bob' }

let server: TestServer
let alice: Client
let bob: Client
let room: string
beforeAll(async () => {
  server = await startServer()
  alice = await server.user('alice')
  bob = await server.user('bob')
  room = await alice.createRoom({
    preset: 'public_chat',
    power_level_content_override: { events: { 'm.test': 0 } },
  })
  await bob.join(room)
})
afterAll(() => server.stop())

/** What may happen to a delayed event that is due in a millisecond; the status that it was told. */
const happenings = {
  send: async (delayId: string) => (await alice.manage(delayId, 'send')).status,
  cancel: async (delayId: string) => (await alice.manage(delayId, 'cancel')).status,
  restart: async (delayId: string) => (await alice.manage(delayId, 'restart')).status,
  fire: async () => {
    await server.advance(1)
    return 200
  },
  update: async (_: string, key: string) => {
    await bob.setState(room, 'm.test', key, theirs)
    return 200
  },
}
type Happening = keyof typeof happenings

interface Outcome {
  told: Partial<Record<Happening, number[]>>
  isListed: boolean
  finalised: JsonObject | undefined
  /** The events that it became. */
  events: WireEvent[]
  state: JsonObject | undefined
}

let keys = 0

async function race(together: readonly Happening[]): Promise<[string, string, Outcome['told']]> {
  const key = `key-${++keys}`
  const delayId = await alice.delayState(room, delayMs, 'm.test', key, { by: 'alice' })
  await server.advance(delayMs - 1)
  const told: Outcome['told'] = {}
  await Promise.all(
    together.map(async happening => {
      const status = await happenings[happening](delayId, key)
      told[happening] = [...(told[happening] ?? []), status]
    }),
  )
  // Whatever was still due at this moment.
  await server.advance(0)
  return [delayId, key, told]
}

async function outcomeOf(delayId: string, key: string, told: Outcome['told']): Promise<Outcome> {
  const query = { dir: 'b', limit: 20 }
  const { chunk } = await alice.ok('GET', alice.roomPath(room, 'messages'), { query })
  const state = await alice.request('GET', alice.roomPath(room, 'state', 'm.test', key))
  return {
    told,
    isListed: (await alice.scheduled()).some(item => item.delay_id === delayId),
    finalised: (await alice.finalised()).find(item => item.delayed_event.delay_id === delayId),
    events: chunk.filter((event: WireEvent) => event.unsigned?.delay_id === delayId),
    state: state.status === 200 ? state.body : undefined,
  }
}

/** The timeline, the list, the state and what everybody was told are one story. */
function expectOneStory({ told, isListed, finalised, events, state }: Outcome): void {
  const isSent = finalised?.outcome === 'send'
  expect(isListed).toBe(finalised === undefined)
  expect(events).toHaveLength(isSent ? 1 : 0)
  if (isSent) expect(finalised.event_id).toBe(events[0]?.event_id)

  for (const status of told.send ?? []) expect(status).toBe(isSent ? 200 : 404)
  for (const status of told.cancel ?? []) expect(status).toBe(isSent ? 404 : 200)
  for (const status of told.restart ?? []) {
    if (status === 404) expect(isListed).toBe(false)
    else expect(status).toBe(200)
  }
  if (told.send || told.cancel || told.update) expect(isListed).toBe(false)
  // Whichever came first: the update stands, or it has replaced what was sent.
  if (told.update) expect(state).toEqual(theirs)
  else expect(state).toEqual(isSent ? { by: 'alice' } : undefined)
  if (!told.send && !told.fire) expect(isSent).toBe(false)
  if (isSent && !told.send) expect(finalised.reason).toBe('delay')
  if (isSent && !told.fire) expect(finalised.reason).toBe('action')
}

const names = Object.keys(happenings) as Happening[]
const pairs = names
  .flatMap((first, i) => names.slice(i).map((second): [Happening, Happening] => [first, second]))
  // Time moves once.
  .filter(([first, second]) => first !== 'fire' || second !== 'fire')

describe('two things at once happen to a delayed event', () => {
  test.each(pairs)('%s and %s', async (first, second) => {
    for (let round = 0; round < rounds; round++) {
      const together = round % 2 === 0 ? [first, second] : [second, first]
      const [delayId, key, told] = await race(together)
      const outcome = await outcomeOf(delayId, key, told)
      expectOneStory(outcome)
      if (told.restart && told.fire) expect(outcome.isListed).toBe(told.restart[0] === 200)
      if (told.send && told.fire) expect(outcome.finalised?.outcome).toBe('send')

      // Nothing more comes of it but what is still scheduled.
      await server.advance(2 * delayMs)
      const later = await outcomeOf(delayId, key, {})
      expect(later.isListed).toBe(false)
      expect(later.events).toHaveLength(outcome.isListed ? 1 : outcome.events.length)
      if (!outcome.isListed) expect(later.finalised).toEqual(outcome.finalised)
    }
  })
})

describe('everything at once happens to a delayed event', () => {
  test.each(Array.from({ length: names.length }, (_, i) => i))('order %i', async shift => {
    for (let round = 0; round < rounds; round++) {
      const together = [...names.slice(shift), ...names.slice(0, shift)]
      const [delayId, key, told] = await race([...together, 'send', 'cancel', 'restart'])
      expectOneStory(await outcomeOf(delayId, key, told))
      await server.advance(2 * delayMs)
      expectOneStory(await outcomeOf(delayId, key, told))
    }
  })
})

describe('many delayed events at once', () => {
  test('some fire while others are sent, cancelled and restarted: each has one story', async () => {
    const acts = ['send', 'cancel', 'restart', 'fire'] as const
    const scheduled = []
    for (let i = 0; i < 24; i++) {
      const key = `many-${i}`
      const delayId = await alice.delayState(room, delayMs, 'm.test', key, { by: 'alice' })
      scheduled.push({ key, delayId, act: acts[i % acts.length] ?? 'fire' })
    }
    await server.advance(delayMs - 1)
    const [statuses] = await Promise.all([
      Promise.all(
        scheduled.map(async ({ act, delayId }) =>
          act === 'fire' ? 200 : (await alice.manage(delayId, act)).status,
        ),
      ),
      server.advance(1),
    ])
    await server.advance(0)

    const listed = (await alice.scheduled()).map(item => item.delay_id)
    const query = { dir: 'b', limit: 100 }
    const { chunk } = await alice.ok('GET', alice.roomPath(room, 'messages'), { query })
    for (const [i, { delayId, act }] of scheduled.entries()) {
      const isOk = statuses[i] === 200
      const sent = chunk.filter((event: WireEvent) => event.unsigned?.delay_id === delayId).length
      expect([act, sent]).toEqual([act, act === 'send' || act === 'fire' || !isOk ? 1 : 0])
      expect([act, listed.includes(delayId)]).toEqual([act, act === 'restart' && isOk])
      if (act === 'send') expect(isOk).toBe(true)
    }
  })
})

describe('the list without a query', () => {
  test('has what is cancelled at that moment once, here or there', async () => {
    const places = new Set<string>()
    for (let round = 0; round < 10 * rounds; round++) {
      const delayId = await alice.delay(room, delayMs, 'm.test', {})
      const look = () => alice.ok('GET', delayedEvents)
      const lists = [look(), look(), look(), look()]
      const [, ...answers] = await Promise.all([alice.manage(delayId, 'cancel'), ...lists])
      for (const { delayed_events, finalised } of answers) {
        const isScheduled = delayed_events.some((one: JsonObject) => one.delay_id === delayId)
        const isFinalised = finalised.some(
          (one: JsonObject) => one.delayed_event.delay_id === delayId,
        )
        places.add(`scheduled: ${isScheduled}, finalised: ${isFinalised}`)
      }
    }
    places.delete('scheduled: true, finalised: false')
    places.delete('scheduled: false, finalised: true')
    expect([...places]).toEqual([])
  })
})

describe('a user is deactivated', () => {
  test.each(['their groups are sent', 'others overtake their state'])(
    'while %s: neither waits for the other for ever',
    async what => {
      const admin = await server.admin()
      const rooms: string[] = []
      for (let i = 0; i < 6; i++) rooms.push(await alice.createRoom())
      const statuses = new Set<number>()
      for (let round = 0; round < 2 * rounds; round++) {
        // In none of the rooms, so that there is none to leave before.
        const carol = await server.user('carol')
        const key = `carol-${round}`
        const schedule = async (roomId: string, query: Record<string, string | number>) => {
          const path = carol.roomPath(roomId, 'state', 'm.test', key)
          return String((await carol.ok('PUT', path, { query, body: {} })).future_id)
        }
        const group = (roomId: string) => ({ future_group_id: `${key} ${roomId}` })
        // Whoever is sent was scheduled long after whom it cancels.
        for (const id of rooms) await schedule(id, { future_timeout: delayMs, ...group(id) })
        for (let i = 0; i < 80; i++) await carol.delay(room, delayMs, 'm.test', {})
        const actions: string[] = []
        for (const id of rooms) actions.push(await schedule(id, group(id)))

        const path = `/_synapse/admin/v1/deactivate/${carol.userId}`
        const answers = await Promise.all([
          admin.request('POST', path, { body: {} }),
          ...(what === 'their groups are sent'
            ? actions.map(id => carol.manage(id, 'send'))
            : rooms.map(id => {
                const state = alice.roomPath(id, 'state', 'm.test', key)
                return alice.request('PUT', state, { body: { round } })
              })),
        ])
        for (const { status } of answers) statuses.add(status)
      }
      // Carol may not send; and what is cancelled is not found.
      for (const status of [200, 403, 404]) statuses.delete(status)
      expect([...statuses]).toEqual([])
    },
  )
})

describe("npm run races, in its short form: all pairs on the machine's own clock", () => {
  test('each contest has one outcome, and everybody is told the truth', async () => {
    const { exitCode, stdout } = await runScript('races', ['--rounds', '20'])
    expect({ exitCode, stdout }).toEqual({
      exitCode: 0,
      stdout: expect.stringContaining('all held'),
    })
  }, 300_000)
})
