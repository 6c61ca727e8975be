/** What is asked of the server while it is waiting to be killed. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { RequestOptions } from '../../spec-tests/support/client.ts'
import { type Client, delayedEvents } from '../../spec-tests/support/client.ts'
import type { Act, Asked, Entry } from './ledger.ts'
import type { Random } from './random.ts'
import type { Path } from './steps.ts'

/** Acts in one list are asked for at once, the lists one after the other. */
type Script = readonly (readonly Act[])[]

const scripts: readonly Script[] = [
  [],
  [],
  [],
  [['restart']],
  [['restart'], ['restart']],
  [['send']],
  [['cancel']],
  [['send', 'send']],
  [['send', 'cancel']],
  [['cancel', 'restart']],
  [['send', 'restart']],
  [['restart'], ['send']],
  [['restart'], ['cancel', 'cancel']],
  [['update']],
  [['update', 'send']],
  [['send'], ['cancel', 'send']],
]

/** That a path is walked whatever chance says, also by somebody who comes too late. */
const scriptOf: Record<Path, Script> = {
  fire: [],
  schedule: [],
  send: [['send'], ['send']],
  cancel: [['cancel'], ['cancel']],
  restart: [['restart'], ['cancel'], ['restart']],
  update: [['update']],
}

const perRound = 12
const shortDelays: Delays = { leastMs: 20, mostMs: 270 }
/** A request that takes longer is not coming back; the machine may be busy. */
const patienceMs = 60_000

export interface Delays {
  leastMs: number
  mostMs: number
}

export interface Room {
  id: string
  alice: Client
  bob: Client
}

/** A delayed event and how it is asked for again when no answer has come. */
export interface Item {
  entry: Entry
  script: Script
  schedule: () => Promise<void>
  /** False: without a transaction id, a second request is a second event. */
  isRepeatable: boolean
}

/**
 * @param walked paths that have to be walked, each by a message and by a piece of state
 */
export function makeItems(
  room: Room,
  round: string,
  walked: readonly Path[],
  random: Random,
  { leastMs, mostMs }: Delays = shortDelays,
): Item[] {
  return Array.from({ length: perRound }, (_, i) => {
    const path = walked[Math.floor(i / 2)]
    const script = path === undefined ? random.pick(scripts) : scriptOf[path]
    const isUpdated = script.flat().includes('update')
    const kind = isUpdated || i % 2 === 0 ? 'state' : 'message'
    const delayMs = random.between(leastMs, mostMs)
    const entry: Entry = { mark: `${round}.${i}`, kind, delayMs, asked: [] }
    // In the newest dialect no update cancels.
    const way = random.pick(isUpdated ? ways.slice(0, 1) : ways)
    const { path: url, ...options } = way.request(room.id, entry)
    return {
      entry,
      script,
      isRepeatable: kind === 'message' || way.isRepeatable,
      schedule: () => ask(room.alice, entry, 'schedule', 'PUT', url, options),
    }
  })
}

interface Way {
  isRepeatable: boolean
  request: (roomId: string, entry: Entry) => RequestOptions & { path: string }
}

const v3 = '/_matrix/client/v3'
const type = 'm.torture'

const byQuery = (name: string): Way => ({
  isRepeatable: false,
  request: (roomId, { mark, kind, delayMs }) => ({
    path: `${v3}/rooms/${encodeURIComponent(roomId)}/${kind === 'state' ? 'state' : 'send'}/${type}/${mark}`,
    query: { [name]: delayMs },
    body: { mark },
  }),
})

const unstableQuery = byQuery('org.matrix.msc4140.delay')

const ways: readonly Way[] = [
  unstableQuery,
  byQuery('delay'),
  {
    isRepeatable: true,
    request: (roomId, { mark, kind, delayMs }) => ({
      path: `${v3}/rooms/${encodeURIComponent(roomId)}/delayed_event/${type}/${mark}`,
      body: {
        delay_ms: delayMs,
        content: { mark },
        ...(kind === 'state' ? { state_key: mark } : {}),
      },
    }),
  },
]

/** Ask, and enter what came back. Whoever is cut off enters that nothing did. */
async function ask(
  client: Client,
  entry: Entry,
  what: Asked['what'],
  method: string,
  path: string,
  options: RequestOptions = {},
): Promise<void> {
  const asked: Asked = { what, sentAt: Date.now() }
  entry.asked.push(asked)
  try {
    const signal = AbortSignal.timeout(patienceMs)
    const { status, body } = await client.request(method, path, { ...options, signal })
    asked.status = status
    asked.answeredAt = Date.now()
    if (typeof body.event_id === 'string') asked.eventId = body.event_id
    if (typeof body.delay_id === 'string') entry.delayId = body.delay_id
  } catch (error) {
    if ((error as Error).name === 'TimeoutError') throw error
  }
}

/** A delayed state event in the dialect in which everything can happen to it. */
export async function scheduleState(room: Room, mark: string, delayMs: number): Promise<Entry> {
  const entry: Entry = { mark, kind: 'state', delayMs, asked: [] }
  const { path, ...options } = unstableQuery.request(room.id, entry)
  await ask(room.alice, entry, 'schedule', 'PUT', path, options)
  return entry
}

const wasAnswered = (entry: Entry) => entry.asked.at(-1)?.status !== undefined

export async function act(room: Room, entry: Entry, what: Act, random: Random): Promise<void> {
  if (what === 'update') {
    const path = room.bob.roomPath(room.id, 'state', type, entry.mark)
    // Not its mark: this is not the event that was delayed.
    await ask(room.bob, entry, what, 'PUT', path, { body: { mark: 'update', of: entry.mark } })
    return
  }
  // Under the unstable name the id is enough.
  const [base, client] = random.pick([
    [delayedEvents, room.bob],
    ['/_matrix/client/v1/delayed_events', room.alice],
  ] as const)
  await ask(client, entry, what, 'POST', `${base}/${entry.delayId}/${what}`)
}

/** Schedule it and follow its script, until it is through or the server is gone. */
export async function run(room: Room, item: Item, random: Random): Promise<void> {
  const { entry, script } = item
  await sleep(random.between(0, 30))
  await item.schedule()
  for (const together of script) {
    if (!wasAnswered(entry) || entry.delayId === undefined) return
    // Now and then not before it is due.
    await sleep(random.between(0, random.chance(0.3) ? entry.delayMs * 1.5 : entry.delayMs / 2))
    await Promise.all(together.map(what => act(room, entry, what, random)))
  }
}

/** After a restart: ask again for what was not answered, as a client does; now and then do not. */
export async function askAgain(room: Room, item: Item, random: Random): Promise<void> {
  const { entry } = item
  const lost = entry.asked.filter(({ status }) => status === undefined)
  for (const { what } of lost) {
    if (what === 'schedule') {
      if (item.isRepeatable) await item.schedule()
    } else if (what !== 'update' && random.chance(0.7)) await act(room, entry, what, random)
  }
}
