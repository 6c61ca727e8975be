/** Wait until nothing is scheduled any more, and look at everything that a client can look at. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { JsonObject, WireEvent } from '../../spec-tests/support/wire.ts'
import type { Follower } from './follower.ts'
import type { Life, Seen } from './ledger.ts'
import type { Item, Room } from './load.ts'

/** What is still scheduled then is lost: no machine is as slow as that. */
const patienceMs = 60_000
const lookEveryMs = 25

export async function look(
  room: Room,
  items: readonly Item[],
  follower: Follower,
  from: string,
  lives: readonly Life[],
): Promise<Seen> {
  const stillScheduled = await waitUntilQuiet(room)
  const records = new Map<string, JsonObject | undefined>()
  await Promise.all(
    items.map(async ({ entry: { delayId } }) => {
      if (delayId !== undefined) records.set(delayId, await lookUp(room, delayId))
    }),
  )
  const shown = await follower.take()
  return { timeline: await readTimeline(room, from), shown, records, stillScheduled, lives }
}

/** @returns the ids of those that are still scheduled when patience ends */
export async function waitUntilQuiet(room: Room): Promise<ReadonlySet<string>> {
  const until = Date.now() + patienceMs
  for (;;) {
    const scheduled = await room.alice.scheduled()
    if (scheduled.length === 0 || Date.now() > until) {
      return new Set(scheduled.map(item => String(item.delay_id)))
    }
    await sleep(lookEveryMs)
  }
}

export async function lookUp({ alice }: Room, delayId: string): Promise<JsonObject | undefined> {
  const { status, body } = await alice.request(
    'GET',
    `/_matrix/client/v1/delayed_events/${delayId}`,
  )
  return status === 200 ? body : undefined
}

export async function readTimeline(room: Room, from: string): Promise<WireEvent[]> {
  const timeline: WireEvent[] = []
  for (let next: string | undefined = from; next !== undefined; ) {
    const page = await room.alice.messages(room.id, { dir: 'f', from: next, limit: 100 })
    timeline.push(...page.chunk)
    next = page.end
  }
  return timeline
}
