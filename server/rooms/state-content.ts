/** What is asked of a piece of state before the room's rules are. */
import { selectMembership } from '../../db/memberships.ts'
import { selectStateByKeys } from '../../db/room-state.ts'
import type { RoomHead } from '../../db/rooms.ts'
import type { Tx } from '../../db/transaction.ts'
import { isJsonObject, type JsonObject } from '../lib/json.ts'
import { complaintAboutShape } from '../matrix/auth-rules-power-levels.ts'
import { badJson, MatrixError } from '../matrix/errors.ts'
import type { AuthEvent } from '../matrix/event.ts'
import { creatorsOf } from '../matrix/power-levels.ts'
import type { RoomVersion } from '../matrix/room-versions.ts'
import { assertOwnAliases, selectOwnAliases } from './directory.ts'
import { assertMayInvite } from './invite-filter.ts'
import { assertStateForm } from './sendable.ts'
import { parsePdu, versionOf } from './stored-event.ts'

interface StateContent {
  type: string
  stateKey: string
  content: JsonObject
}

/**
 * What is asked before the room's rules: the form of the content, and whether whom it invites wants
 * that.
 *
 * @throws as {@link assertStateContent} · 403 as `assertMayInvite`
 */
export async function assertState(
  tx: Tx,
  room: RoomHead,
  sender: string,
  draft: StateContent,
): Promise<void> {
  await assertStateContent(tx, room, draft)
  const isInvite = draft.type === 'm.room.member' && draft.content.membership === 'invite'
  if (isInvite) await assertMayInvite(tx, sender, draft.stateKey)
}

/**
 * What the API refuses as a malformed request, before the room's rules are asked.
 *
 * @throws as {@link assertStateForm} · 400 M_BAD_JSON power levels that are none, or that name a
 *   creator of a version 12 room · 400 M_BAD_ALIAS, M_INVALID_PARAM aliases that do not lead here
 */
export async function assertStateContent(
  tx: Tx,
  room: RoomHead,
  draft: StateContent,
): Promise<void> {
  assertStateForm(room, draft)
  if (draft.type === 'm.room.member' && draft.content.membership === 'leave') {
    await assertMayRejectInvite(tx, room, draft.stateKey)
  }
  await assertPowerLevels(tx, room, draft)
  if (draft.type === 'm.room.canonical_alias') {
    assertOwnAliases(draft.content, await selectOwnAliases(tx, room.room_id, draft.content))
  }
}

/**
 * As {@link assertStateContent}, in a room that is just being made, of which all is known.
 *
 * @param create its first event, which is not stored yet
 * @param alias the one that leads there
 */
export function assertFirstState(
  room: RoomHead,
  create: AuthEvent,
  alias: string | undefined,
  draft: StateContent,
): void {
  assertStateForm(room, draft)
  if (draft.type === 'm.room.power_levels') {
    assertNoCreatorIn(draft.content, create, versionOf(room))
  }
  if (draft.type === 'm.room.canonical_alias') {
    assertOwnAliases(draft.content, new Set(alias === undefined ? [] : [alias]))
  }
}

/**
 * What the server itself has to say to a user they have to hear; having been there, they may leave.
 *
 * @throws 403 M_CANNOT_LEAVE_SERVER_NOTICE_ROOM
 * Spec: "Server Notices"
 */
export async function assertMayRejectInvite(tx: Tx, room: RoomHead, userId: string): Promise<void> {
  if (room.notices_for !== userId) return
  const current = await selectMembership(tx, room.room_id, userId)
  if (current?.membership !== 'invite') return
  throw new MatrixError(
    403,
    'M_CANNOT_LEAVE_SERVER_NOTICE_ROOM',
    'You cannot reject an invite of the server itself',
  )
}

/**
 * That they are levels at all; v12: creators outrank everybody and may not stand in `users`. The
 * rules would answer 403, which clients take for a lack of power.
 *
 * @throws 400 M_BAD_JSON
 */
export async function assertPowerLevels(
  tx: Tx,
  room: RoomHead,
  { type, content }: { type: string; content: JsonObject },
): Promise<void> {
  if (type !== 'm.room.power_levels') return
  const version = versionOf(room)
  const complaint = complaintAboutShape(content, version)
  if (complaint) throw badJson(complaint)
  if (!version.privilegedCreators) return
  const [create] = await selectStateByKeys(tx, room.room_id, [['m.room.create', '']])
  if (create) assertNoCreatorIn(content, parsePdu(create), version)
}

function assertNoCreatorIn({ users }: JsonObject, create: AuthEvent, version: RoomVersion): void {
  if (!version.privilegedCreators || !isJsonObject(users)) return
  for (const creator of creatorsOf(create, version)) {
    if (Object.hasOwn(users, creator)) {
      throw badJson(`${creator} created the room and may not stand in its power levels`)
    }
  }
}
