/**
 * Two things happen to a delayed event at the same moment, over and over. Who wins is chance; that
 * one does, and that everybody is told the truth about it, is held against the room afterwards.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { TestServer } from '../../spec-tests/support/server.ts'
import type { WireEvent } from '../../spec-tests/support/wire.ts'
import type { Act, Entry, Seen } from '../torture/ledger.ts'
import { act, type Room, scheduleState } from '../torture/load.ts'
import { lookUp, readTimeline, waitUntilQuiet } from '../torture/look.ts'
import type { Random } from '../torture/random.ts'
import { type Breach, breachesIn } from '../torture/verdict.ts'

/** `fire` is nobody's request: it happens when the delay is over. */
export const contestants = ['send', 'cancel', 'restart', 'fire', 'update'] as const
export type Contestant = (typeof contestants)[number]
export type Pair = readonly [Contestant, Contestant]

export const pairs: readonly Pair[] = contestants.flatMap((one, i) =>
  contestants.slice(i).map(other => [one, other] as const),
)

/** Long enough for all of a heat to be scheduled before the first is due. */
const untilDueMs = 150
const longMs = 3_600_000
/** How far apart two contestants may start. What is due in a heat is sent one after the other. */
const jitterMs = 2
const fireJitterMs = 40

export interface Tally {
  pair: Pair
  contests: number
  /** How many became an event. */
  sent: number
  cancelled: number
  /** How many requests were told that it was done, and that it was too late. */
  done: number
  late: number
  breaches: Breach[]
}

export const newTally = (pair: Pair): Tally => ({
  pair,
  contests: 0,
  sent: 0,
  cancelled: 0,
  done: 0,
  late: 0,
  breaches: [],
})

export async function makeRooms(server: TestServer, count: number): Promise<Room[]> {
  const alice = await server.user('alice')
  const bob = await server.user('bob')
  const rooms: Room[] = []
  for (let i = 0; i < count; i++) {
    const id = await alice.createRoom({
      preset: 'public_chat',
      power_level_content_override: { events: { 'm.torture': 0 } },
    })
    await bob.join(id)
    rooms.push({ id, alice, bob })
  }
  return rooms
}

let heats = 0

/** One contest in each of as many places as `perRoom` times the rooms, all at once. */
export async function heat(
  server: TestServer,
  rooms: readonly Room[],
  perRoom: number,
  tally: Tally,
  random: Random,
): Promise<void> {
  heats += 1
  const hasFire = tally.pair.includes('fire')
  const requests = tally.pair.filter(one => one !== 'fire')
  const starts = await Promise.all(
    rooms.map(async room => ({ room, from: (await room.alice.sync()).next_batch })),
  )
  const places = starts.flatMap(({ room }, r) =>
    Array.from({ length: perRoom }, (_, i) => ({ room, mark: `${heats}.${r}.${i}` })),
  )
  const dueAt = Date.now() + untilDueMs
  const contests = await Promise.all(
    places.map(async ({ room, mark }) => {
      const delayMs = hasFire ? Math.max(1, dueAt - Date.now()) : longMs
      return { room, entry: await scheduleState(room, mark, delayMs) }
    }),
  )
  // Nobody but another scheduler can fire at the same moment.
  if (tally.pair.every(one => one === 'fire')) await server.wakeSecondScheduler()
  await Promise.all(
    contests.map(({ room, entry }) => contest(room, entry, requests, hasFire, random)),
  )
  for (const { room, from } of starts) {
    const entries = contests.filter(one => one.room === room).map(({ entry }) => entry)
    count(tally, entries, await lookAt(room, entries, from))
  }
}

async function contest(
  room: Room,
  entry: Entry,
  requests: readonly Act[],
  hasFire: boolean,
  random: Random,
): Promise<void> {
  const [{ sentAt = 0, answeredAt = sentAt } = {}] = entry.asked
  // The delay counts from a moment in between.
  const dueAt = random.between(sentAt, answeredAt) + entry.delayMs
  if (hasFire) await sleep(Math.max(0, dueAt - Date.now() - jitterMs))
  await Promise.all(
    (random.chance(0.5) ? requests : requests.toReversed()).map(async what => {
      const ms = random.between(0, hasFire ? fireJitterMs : jitterMs)
      if (ms > 0) await sleep(ms)
      await act(room, entry, what, random)
    }),
  )
  // Whatever has only been restarted would be there for an hour.
  if (!hasFire && requests.every(what => what === 'restart')) {
    await act(room, entry, 'cancel', random)
  }
}

async function lookAt(room: Room, entries: readonly Entry[], from: string): Promise<Seen> {
  const stillScheduled = await waitUntilQuiet(room)
  const timeline = await readTimeline(room, from)
  const records = new Map(
    await Promise.all(
      entries.map(async ({ delayId = '' }) => [delayId, await lookUp(room, delayId)] as const),
    ),
  )
  // Who else is shown it, and when, is another test's question.
  const shown = timeline.map((event: WireEvent) => ({ event, at: Number.POSITIVE_INFINITY }))
  return { timeline, shown, records, stillScheduled, lives: [] }
}

function count(tally: Tally, entries: readonly Entry[], seen: Seen): void {
  tally.contests += entries.length
  tally.breaches.push(...breachesIn(entries, seen))
  for (const { mark, asked } of entries) {
    if (seen.timeline.some(event => event.content.mark === mark)) tally.sent += 1
    else tally.cancelled += 1
    for (const { what, status } of asked) {
      if (what === 'schedule') continue
      if (status === 200) tally.done += 1
      else tally.late += 1
    }
  }
}
