/** The real program on its real clock, killed with SIGKILL around the time that events are due. */
import { Client } from '../support/client.ts'
import {
  killPrograms,
  makeStorage,
  type Program,
  type Storage,
  startProgram,
} from '../support/program.ts'
import type { WireEvent } from '../support/wire.ts'

/** So many are due at one moment that a crash falls among them. */
const count = 20
const untilDueMs = 400

let storage: Storage
let program: Program
let log = ''
let checkLog: () => void = () => undefined
let baseUrl = ''
let alice: Client
let bob: Client
let room: string
/** Where bob's client has got to, and what it has been shown from its first sync on. */
let since: string
let shown: WireEvent[] = []

beforeAll(async () => {
  storage = await makeStorage()
  await start()
  alice = new Client(() => baseUrl)
  bob = new Client(() => baseUrl)
  await alice.register('alice')
  await bob.register('bob')
  room = await alice.createRoom({ preset: 'public_chat' })
  await bob.join(room)
  since = (await bob.sync()).next_batch
}, 60_000)
afterAll(async () => {
  killPrograms()
  await program.ended
  await storage.remove()
})

function launch(): void {
  program = startProgram(['--port', '0', ...storage.flags])
  log = ''
  program.onLog(soFar => {
    log = soFar
    checkLog()
  })
}

/** PostgreSQL may need a moment to see that the process that held the database is gone. */
const isTooSoon = ({ stderr }: { stderr: string }) => stderr.includes('in use by another process')

async function start(): Promise<void> {
  for (;;) {
    launch()
    const ended = await Promise.race([program.listening.then(() => undefined), program.ended])
    if (!ended) break
    if (!isTooSoon(ended)) throw new Error(ended.stderr)
  }
  baseUrl = await program.listening
}

async function crash(): Promise<void> {
  program.kill('SIGKILL')
  await program.ended
}

/** How many delayed events it says that it has sent. */
const sentSoFar = () => log.split('"delayed event sent"').length - 1

/**
 * Kill it when it says so of the `nth`, or at once if it has said so already; or a few requests
 * later, to meet it at another point of its work.
 */
async function crashWhenSent(nth: number, requestsLater = 0): Promise<void> {
  checkLog = () => {
    if (sentSoFar() < nth) return
    checkLog = () => undefined
    void crashAfter(requestsLater)
  }
  checkLog()
  await program.ended
  checkLog = () => undefined
}

async function crashAfter(requests: number): Promise<void> {
  for (let i = 0; i < requests; i++) await alice.request('GET', '/health')
  await crash()
}

interface Scheduled {
  delayId: string
  content: { n: string }
  /** It may not be sent before. */
  notBefore: number
}

async function scheduleAll(round: string): Promise<Scheduled[]> {
  const dueAt = Date.now() + untilDueMs
  return Promise.all(
    Array.from({ length: count }, async (_, i) => {
      const content = { n: `${round} ${i}` }
      const now = Date.now()
      const delayMs = Math.max(1, dueAt - now)
      const delayId =
        i % 2 === 0
          ? await alice.delay(room, delayMs, 'm.test', content)
          : await alice.delayState(room, delayMs, 'm.test', content.n, content)
      return { delayId, content, notBefore: now + delayMs }
    }),
  )
}

const filter = JSON.stringify({ room: { timeline: { limit: 100 } } })

/** One long poll of bob's client. @returns how many events it was shown; 0 if it was cut off */
async function follow(): Promise<number> {
  try {
    const response = await bob.sync({ since, timeout: 10_000, filter })
    const events = response.rooms.join?.[room]?.timeline.events ?? []
    shown.push(...events)
    since = response.next_batch
    return events.length
  } catch {
    return 0
  }
}

async function readTimeline(from: string): Promise<WireEvent[]> {
  const query = { dir: 'f', from, limit: 100 }
  return (await alice.ok('GET', alice.roomPath(room, 'messages'), { query })).chunk
}

/** How it crashes, once all have been scheduled. */
const crashes: Record<string, (scheduled: Scheduled[], sentBefore: number) => Promise<unknown>> = {
  'before any is due': () => crash(),
  'when the first was sent': (_, before) => crashWhenSent(before + 1),
  'soon after the third was sent': (_, before) => crashWhenSent(before + 3, 1),
  'soon after the sixth was sent': (_, before) => crashWhenSent(before + 6, 2),
  'soon after the ninth was sent': (_, before) => crashWhenSent(before + 9, 4),
  'when the last was sent': (_, before) => crashWhenSent(before + count),
  'when another user has seen the first': async () => {
    await follow()
    await crash()
  },
  'when the first that is sent on request was answered': async scheduled => {
    const requests = scheduled.map(({ delayId }) => alice.manage(delayId, 'send'))
    await Promise.any(requests)
    await crash()
    await Promise.allSettled(requests)
  },
  'when the first of those that are overdue was sent at the next start': async () => {
    await crash()
    do {
      launch()
      void program.listening.then(crash, () => undefined)
      await crashWhenSent(1)
    } while (isTooSoon(await program.ended))
  },
}

describe('SIGKILL', () => {
  test.each(Object.keys(crashes))(
    '%s: each delayed event becomes one event',
    async name => {
      shown = []
      const { next_batch: from } = await alice.sync()
      const sentBefore = sentSoFar()
      const scheduled = await scheduleAll(name)
      const expected = scheduled.map(({ content }) => content.n).sort()
      const isOnRequest = name.includes('on request')

      await crashes[name]?.(scheduled, sentBefore)
      await start()
      // A long poll that ends without news says that no more is to come.
      while (shown.length < count && (await follow()) > 0);

      // None lost, none twice, and another user's client has been told of each once.
      expect(await alice.scheduled()).toEqual([])
      const timeline = await readTimeline(from)
      expect(timeline.map(event => event.content.n).sort()).toEqual(expected)
      expect(shown.map(event => event.event_id)).toEqual(timeline.map(event => event.event_id))
      for (const { delayId, content, notBefore } of scheduled) {
        const event = timeline.find(({ unsigned }) => unsigned?.delay_id === delayId)
        expect(event?.content).toEqual(content)
        // None early.
        if (!isOnRequest) expect(event?.origin_server_ts).toBeGreaterThanOrEqual(notBefore)
      }
      // The list has the last ten.
      const ids = timeline.map(event => event.event_id)
      for (const { outcome, event_id } of await alice.finalised()) {
        expect([outcome, ids.includes(event_id)]).toEqual(['send', true])
      }
    },
    60_000,
  )
})
