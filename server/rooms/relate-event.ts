/**
 * What an event's relation to another asks for when it is sent, and when it is taken back.
 *
 * Spec: "Forming relationships between events", "Threading", "Event annotations and reactions"
 */
import { selectEvents } from '../../db/events.ts'
import { addThreadReplies, removeThreadReply, selectOwnAnnotations } from '../../db/relations.ts'
import type { EventRow } from '../../db/schema.ts'
import type { Tx } from '../../db/transaction.ts'
import { isJsonObject, type JsonObject } from '../lib/json.ts'
import { MatrixError, unknown } from '../matrix/errors.ts'
import { isEventId } from '../matrix/ids.ts'
import { contentOf } from './stored-event.ts'

type Relation = Pick<EventRow, 'relates_to' | 'rel_type'>

/** What `content["m.relates_to"]` says, as far as it can be kept. */
export function relationOf(content: JsonObject): Relation {
  const relation = content['m.relates_to']
  if (!isJsonObject(relation)) return { relates_to: null, rel_type: null }
  const { event_id: relatesTo, rel_type: relType } = relation
  const isShortText = typeof relType === 'string' && relType.length <= 255
  return {
    relates_to: typeof relatesTo === 'string' && isEventId(relatesTo) ? relatesTo : null,
    rel_type: isShortText && !relType.includes('\0') ? relType : null,
  }
}

/** What has to be known of other events before one that relates to them is judged. */
export interface KnownRelations {
  roots: ReadonlyMap<string, EventRow>
  /** The reactions of those who would react: {@link annotationOf}. Grows with what is judged. */
  annotations: Set<string>
}

interface Draft {
  type: string
  sender: string
  content: JsonObject
}

export async function selectKnownRelations(
  tx: Tx,
  drafts: readonly Draft[],
): Promise<KnownRelations> {
  const relations = drafts.map(draft => ({ ...relationOf(draft.content), sender: draft.sender }))
  const parents = (kind: string) =>
    relations.flatMap(({ relates_to: parentId, rel_type, sender }) =>
      parentId !== null && rel_type === kind ? [{ parentId, sender }] : [],
    )
  const roots = await selectEvents(
    tx,
    parents('m.thread').map(({ parentId }) => parentId),
  )
  const annotations = await selectOwnAnnotations(tx, parents('m.annotation'))
  return {
    roots: new Map(roots.map(row => [row.event_id, row])),
    annotations: new Set(
      annotations.map(row => annotationOf(row.room_id, { ...row, content: contentOf(row) })),
    ),
  }
}

/**
 * @throws 400 M_UNKNOWN a thread on an event that itself relates to another · 400
 *   M_DUPLICATE_ANNOTATION the same reaction again
 */
export function assertRelation(known: KnownRelations, roomId: string, draft: Draft): void {
  const { relates_to: parentId, rel_type: relType } = relationOf(draft.content)
  if (parentId === null) return
  if (relType === 'm.thread') {
    const root = known.roots.get(parentId)
    if (root?.room_id === roomId && root.rel_type !== null) {
      throw unknown('A thread cannot start from an event that relates to another')
    }
  }
  if (relType === 'm.annotation') {
    const annotation = annotationOf(roomId, draft)
    if (known.annotations.has(annotation)) {
      throw new MatrixError(400, 'M_DUPLICATE_ANNOTATION', 'You have reacted in that way already')
    }
    known.annotations.add(annotation)
  }
}

/** What two reactions that are the same have in common. */
function annotationOf(roomId: string, { type, sender, content }: Draft): string {
  const relation = content['m.relates_to']
  const { event_id, key } = isJsonObject(relation) ? relation : {}
  return JSON.stringify([roomId, type, sender, event_id, key])
}

/** Keep up what is told of parents with them. */
export async function recordRelations(tx: Tx, events: readonly EventRow[]): Promise<void> {
  const replies = events.flatMap(({ room_id, rel_type, relates_to, position }) =>
    rel_type === 'm.thread' && relates_to !== null
      ? [{ rootEventId: relates_to, roomId: room_id, position }]
      : [],
  )
  await addThreadReplies(tx, replies)
}

/** The event is redacted; it relates to nothing any more. */
export async function forgetRelation(tx: Tx, event: EventRow): Promise<void> {
  if (event.rel_type === 'm.thread' && event.relates_to !== null) {
    await removeThreadReply(tx, event.relates_to)
  }
}
