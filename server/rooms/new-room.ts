/** The first thing of every room, new or the successor of another: its row, and its first events. */
import { insertRoom, type LockedRoom } from '../../db/rooms.ts'
import type { Tx } from '../../db/transaction.ts'
import type { JsonObject, JsonValue } from '../lib/json.ts'
import { randomLetters } from '../lib/random.ts'
import { badJson, invalidParam } from '../matrix/errors.ts'
import { isUserId } from '../matrix/ids.ts'
import type { RoomVersion } from '../matrix/room-versions.ts'
import { holdOwnProfile } from './account-in-use.ts'
import { buildEvent, type EventDraft } from './build-event.ts'
import type { Context } from './context.ts'
import { membershipDrafts } from './membership.ts'

/**
 * What a create event says of those who created the room beside its sender; nothing if nobody did.
 *
 * @throws 400 M_BAD_JSON, M_INVALID_PARAM for what is no user ID
 * Spec: room version 12; MSC4289
 */
export function additionalCreators(creator: string, others: readonly JsonValue[]): JsonObject {
  for (const other of others) {
    if (typeof other !== 'string') throw badJson('additional_creators has something else than IDs')
    if (!isUserId(other)) throw invalidParam(`${other} is not a user ID`)
  }
  const additional = [...new Set(others)].filter(other => other !== creator)
  return additional.length === 0 ? {} : { additional_creators: additional }
}

/**
 * The room's row. From version 12 on the room's id is the hash of its first event; two rooms made
 * alike in one millisecond would be one, so the second is a millisecond younger.
 *
 * @returns with what has to be appended before anything else: the room's creation, and the creator's
 *   join
 */
export async function insertNewRoom(
  ctx: Context,
  tx: Tx,
  creator: string,
  content: JsonObject,
  given: { version: RoomVersion; isPublic: boolean },
): Promise<{ room: LockedRoom; first: EventDraft[] }> {
  const { version, isPublic } = given
  const profile = await holdOwnProfile(tx, creator)
  const join = { sender: creator, target: creator, membership: 'join', profile } as const
  for (let originServerTs = ctx.clock.now(); ; originServerTs++) {
    const draft = { type: 'm.room.create', stateKey: '', sender: creator, content, originServerTs }
    const roomId = version.roomIdIsCreateHash
      ? roomIdOf(ctx, draft, version)
      : `!${randomLetters(18)}:${ctx.config.server_name}`
    const room = await insertRoom(tx, { roomId, version: version.id, isPublic })
    if (!room) continue
    return { room, first: [draft, ...(await membershipDrafts(tx, [join]))] }
  }
}

function roomIdOf(
  ctx: Context,
  draft: Parameters<typeof buildEvent>[2],
  version: RoomVersion,
): string {
  const nowhere = { room_id: '', last_event_id: null, last_event_hash: null, last_depth: 0 }
  const { eventId } = buildEvent(ctx, nowhere, draft, {
    version,
    citedEvents: [],
    now: ctx.clock.now(),
  })
  return `!${eventId.slice(1)}`
}
