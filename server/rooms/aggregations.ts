/**
 * What is told of an event's children with the event: its edit, its thread, who refers to it. Only
 * of children that the viewer may read, and not of those whom they ignore.
 *
 * Spec: "Aggregations of child events", "Server-side aggregation of m.thread relationships",
 * "Server-side aggregation of m.replace relationships", "m.reference"
 */
import { selectAggregated, selectThreadCounts } from '../../db/relations.ts'
import type { EventRow } from '../../db/schema.ts'
import type { Db } from '../../db/transaction.ts'
import type { JsonObject } from '../lib/json.ts'
import type { ClientEvent } from '../matrix/event.ts'
import { isErasedFor, wholeUpTo } from './erasures.ts'
import type { Viewer } from './viewer.ts'
import type { Sight } from './visibility.ts'

/** Deviation: the specification has no limit; a poll may have ten thousand answers. */
const maxReferences = 100

/**
 * `unsigned["m.relations"]` of those that have any, by event id. State has none.
 *
 * @param present makes children into what the viewer sees, with what is told of *their* children:
 *   no thread starts in a thread and no edit is edited, so that this comes to an end
 */
export async function aggregationsOf(
  db: Db,
  rows: readonly EventRow[],
  viewer: Pick<Viewer, 'userId' | 'ignored' | 'erased'>,
  sights: readonly Sight[],
  present: (children: EventRow[]) => Promise<ClientEvent[]>,
): Promise<Map<string, JsonObject>> {
  const { userId } = viewer
  const found = new Map<string, JsonObject>()
  const parents = rows.filter(row => row.state_key === null)
  if (parents.length === 0) return found
  const seen = { rooms: sights, ignored: await viewer.ignored() }
  const related = await selectAggregated(db, parents, seen, maxReferences)
  const sightOf = new Map(sights.map(sight => [sight.roomId, sight]))
  // An edit that is erased has no new content to show; the one before it may have.
  const erased = related.filter(
    child =>
      child.rel_type === 'm.replace' && isErasedFor(viewer, child, sightOf.get(child.room_id)),
  )
  const children = [
    ...related.filter(child => !erased.includes(child)),
    ...(await editsBefore(db, erased, parents, viewer, seen)),
  ]
  if (children.length === 0) return found

  const whole = children.filter(child => child.rel_type !== 'm.reference')
  const presented = new Map((await present(whole)).map(event => [event.event_id, event]))
  const counts = await threadCounts(db, children, userId, seen)
  for (const parent of parents) {
    const related: JsonObject = {}
    for (const child of children) {
      if (child.relates_to !== parent.event_id) continue
      const event = presented.get(child.event_id)
      if (child.rel_type === 'm.replace') related['m.replace'] = { ...event }
      if (child.rel_type === 'm.thread') {
        const thread = counts.get(parent.event_id)
        related['m.thread'] = {
          latest_event: { ...event },
          count: thread?.count ?? 1,
          current_user_participated: parent.sender === userId || thread?.has_replied === true,
        }
      }
    }
    const references = children.filter(
      child => child.relates_to === parent.event_id && child.rel_type === 'm.reference',
    )
    if (references.length > 0) {
      related['m.reference'] = { chunk: references.map(({ event_id }) => ({ event_id })) }
    }
    if (Object.keys(related).length > 0) found.set(parent.event_id, related)
  }
  return found
}

/** Where the latest edit is erased, the latest that came while the viewer was there: they have seen it. */
async function editsBefore(
  db: Db,
  edits: readonly EventRow[],
  parents: readonly EventRow[],
  viewer: Pick<Viewer, 'erased'>,
  { rooms, ignored }: { rooms: readonly Sight[]; ignored: ReadonlySet<string> },
): Promise<EventRow[]> {
  const found: EventRow[] = []
  for (const sender of new Set(edits.map(edit => edit.sender))) {
    const edited = new Set(edits.flatMap(edit => (edit.sender === sender ? edit.relates_to : [])))
    const narrowed = rooms.map(sight => {
      const end = wholeUpTo(viewer, sender, sight)
      const ranges = sight.ranges.filter(({ from }) => from <= end)
      const { roomId } = sight
      return { roomId, ranges: ranges.map(one => ({ ...one, upTo: Math.min(one.upTo, end) })) }
    })
    if (narrowed.every(({ ranges }) => ranges.length === 0)) continue
    const theirs = parents.filter(parent => edited.has(parent.event_id))
    found.push(...(await selectAggregated(db, theirs, { rooms: narrowed, ignored }, 0)))
  }
  return found.filter(child => child.rel_type === 'm.replace')
}

async function threadCounts(
  db: Db,
  children: readonly EventRow[],
  userId: string,
  seen: { rooms: readonly Sight[]; ignored: ReadonlySet<string> },
) {
  const roots = children.flatMap(child =>
    child.rel_type === 'm.thread' && child.relates_to !== null ? [child.relates_to] : [],
  )
  const counts = await selectThreadCounts(db, roots, userId, seen)
  return new Map(counts.map(count => [count.root_event_id, count]))
}
