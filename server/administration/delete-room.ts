/**
 * The steps by which a room is deleted, each a transaction: whoever dies in between goes on where
 * the last one ended.
 *
 *   requested ──► everybody is made to leave, some at a time ──► closed ──► purged, some at a time
 *
 * What was scheduled for the room is finalised when the deletion is requested, and again when the
 * room is closed: from then on nothing can be scheduled for it. Of a room that is purged stay only
 * the departures, by which clients hear that they are out, and what became of delayed events.
 *
 * Spec: Synapse "Delete Room API"
 */
import { lockUser } from '../../db/accounts.ts'
import { failAllInRoom } from '../../db/delayed-events.ts'
import {
  deleteBlocked,
  deleteForgottenBefore,
  deleteRoom,
  forgetDeparted,
  insertBlocked,
  insertDeletion,
  purgeEvents,
  selectBlocked,
  selectDeletion,
  selectDeletionsOf,
  selectInvolved,
  updateDeletion,
} from '../../db/room-deletions.ts'
import {
  type LockedRoom,
  lockRoom,
  lockRooms,
  moveAliases,
  selectAliasesOf,
  selectRoom,
  updateIsPublic,
} from '../../db/rooms.ts'
import type { RoomDeletionRow } from '../../db/schema.ts'
import { type Db, type Tx, transaction } from '../../db/transaction.ts'
import type { JsonObject } from '../lib/json.ts'
import { randomToken } from '../lib/random.ts'
import { invalidParam, MatrixError, notFound, unknown } from '../matrix/errors.ts'
import { domainOf } from '../matrix/ids.ts'
import type { Requester } from '../requester.ts'
import { appendEvent, appendEvents } from '../rooms/append-event.ts'
import { createRoomWithin, newRoomRequest } from '../rooms/create-room.ts'
import { finalising } from '../rooms/finalising.ts'
import { type Membership, membershipDrafts } from '../rooms/membership.ts'
import type { Context } from './context.ts'

/** How many leave, or how many events go, in one transaction: others wait for it. */
const batchSize = 250

export interface DeletionRequest {
  roomId: string
  /** Undefined: there is no new room. */
  newRoom: { creator: string; name: string; message: string } | undefined
  isBlocked: boolean
  isPurge: boolean
  isForced: boolean
}

/** A deletion of the room that failed, if none has come to its end: some may be out, or all but some events gone. */
async function selectBroken(db: Db, roomId: string): Promise<RoomDeletionRow | undefined> {
  const deletions = await selectDeletionsOf(db, roomId)
  if (deletions.some(({ status, is_purge }) => status === 'complete' && is_purge)) return undefined
  return deletions.findLast(({ status }) => status === 'failed')
}

/** @throws 404 M_NOT_FOUND there is nothing (left) of the room that could be deleted */
export async function assertDeletable(ctx: Context, roomId: string): Promise<void> {
  const rest = (await selectRoom(ctx.db, roomId)) ?? (await selectBroken(ctx.db, roomId))
  if (!rest) throw notFound('There is no such room')
}

/**
 * Begin to delete a room, or go on where that broke. A room that we do not know can only be blocked.
 *
 * @returns undefined if there is nothing to be done but that
 * @throws 404 M_NOT_FOUND no such room, and it is not to be blocked · 400 M_INVALID_PARAM the new
 *   room's creator is of another server, or no user (any more) · 400 M_UNKNOWN it is being deleted
 *   already
 */
export function requestDeletion(
  ctx: Context,
  requester: Requester,
  request: DeletionRequest,
): Promise<string | undefined> {
  const { roomId, newRoom, isBlocked } = request
  if (newRoom && domainOf(newRoom.creator) !== ctx.config.server_name) {
    throw invalidParam(`${newRoom.creator} is not of this server`)
  }
  const now = ctx.clock.now()
  return transaction(ctx.db, async tx => {
    // Deviation: Synapse takes a name that nobody has. The room would belong to who registers it.
    if (newRoom && !(await lockUser(tx, newRoom.creator))) {
      throw invalidParam(`There is no user ${newRoom.creator}`)
    }
    const room = await lockRoom(tx, roomId)
    const broken = await selectBroken(tx, roomId)
    if (!room && !broken && !isBlocked) throw notFound('There is no such room')
    if (isBlocked) {
      const blocked = { room_id: roomId, blocked_by: requester.userId, blocked_ts: now }
      await insertBlocked(tx, blocked)
    }
    if (broken && !room) {
      const again = { status: 'active', error: null, finished_ts: null } as const
      await updateDeletion(tx, broken.delete_id, again)
    }
    if (!room) return broken?.delete_id
    const deletion: RoomDeletionRow = {
      delete_id: randomToken(12),
      room_id: roomId,
      status: 'active',
      is_purge: request.isPurge,
      is_forced: request.isForced,
      // Whoever is leaving at this moment has a later one; who was made to before is still to hear of it.
      from_position: broken?.from_position ?? ctx.positions.settled(),
      new_room_id: newRoom ? await makeNewRoom(ctx, tx, newRoom) : null,
      kicked_users: '[]',
      failed_to_kick_users: '[]',
      local_aliases: '[]',
      error: null,
      requested_ts: now,
      finished_ts: null,
    }
    if (!(await insertDeletion(tx, deletion))) throw unknown('That room is being deleted already')
    await failScheduled(ctx, tx, roomId)
    return deletion.delete_id
  })
}

/** Who finds themselves in it cannot speak: levels as Synapse gives them. */
async function makeNewRoom(
  ctx: Context,
  tx: Tx,
  { creator, name, message }: { creator: string; name: string; message: string },
): Promise<string> {
  const room = await createRoomWithin(ctx, tx, creator, {
    ...newRoomRequest,
    preset: 'public_chat',
    name,
    powerLevelContentOverride: { users_default: -10 },
  })
  const content = { msgtype: 'm.text', body: message }
  await appendEvent(ctx, tx, room, { type: 'm.room.message', sender: creator, content })
  return room.room_id
}

async function failScheduled(ctx: Context, tx: Tx, roomId: string): Promise<void> {
  const error = notFound('The room has been deleted')
  const end = finalising(ctx, tx)
  end.note(await failAllInRoom(tx, roomId, end, JSON.stringify(error.toJSON())))
}

/**
 * Do the next step of a deletion.
 *
 * @returns whether another one is needed
 */
export async function continueDeletion(ctx: Context, deleteId: string): Promise<boolean> {
  const deletion = await selectDeletion(ctx.db, deleteId)
  if (deletion?.status !== 'active') return false
  const failed = JSON.parse(deletion.failed_to_kick_users) as string[]
  const involved = await selectInvolved(ctx.db, deletion.room_id, failed, batchSize)
  if (involved.length > 0) {
    const joined = involved.filter(one => one.isJoined).map(one => one.userId)
    if (deletion.new_room_id !== null) await moveIn(ctx, deletion.new_room_id, joined)
    await moveOut(ctx, deletion)
    return true
  }
  return transaction(ctx.db, tx => closeOrPurge(ctx, tx, deletion, failed))
}

/** Guests and whoever else may not come in stay outside. */
async function moveIn(ctx: Context, newRoomId: string, userIds: readonly string[]): Promise<void> {
  await transaction(ctx.db, async tx => {
    const room = await lockRoom(tx, newRoomId)
    if (!room) return
    await appendEvents(ctx, tx, await ownMemberships(tx, room, userIds, 'join'))
  })
}

/** What each of these users says of their own membership. */
async function ownMemberships(
  tx: Tx,
  room: LockedRoom,
  userIds: readonly string[],
  membership: Membership,
) {
  const changes = userIds.map(userId => ({ sender: userId, target: userId, membership }))
  return (await membershipDrafts(tx, changes)).map(draft => ({ room, draft }))
}

async function moveOut(ctx: Context, deletion: RoomDeletionRow): Promise<void> {
  await transaction(ctx.db, async tx => {
    const room = await lockRoom(tx, deletion.room_id)
    if (!room) return
    const kicked = JSON.parse(deletion.kicked_users) as string[]
    const failed = JSON.parse(deletion.failed_to_kick_users) as string[]
    // Again, now that nobody comes or goes meanwhile.
    const involved = await selectInvolved(tx, room.room_id, failed, batchSize)
    const leaving = involved.map(({ userId }) => userId)
    const entries = await ownMemberships(tx, room, leaving, 'leave')
    const outcomes = await appendEvents(ctx, tx, entries)
    const eventIds: string[] = []
    for (const [index, { userId }] of involved.entries()) {
      const outcome = outcomes[index]
      if (outcome === undefined || outcome instanceof MatrixError) failed.push(userId)
      else {
        kicked.push(userId)
        eventIds.push(outcome.event_id)
      }
    }
    await forgetDeparted(tx, eventIds)
    await updateDeletion(tx, deletion.delete_id, {
      kicked_users: JSON.stringify(kicked),
      failed_to_kick_users: JSON.stringify(failed),
    })
  })
}

async function closeOrPurge(
  ctx: Context,
  tx: Tx,
  deletion: RoomDeletionRow,
  failed: readonly string[],
): Promise<boolean> {
  const { delete_id: deleteId, room_id: roomId, from_position: from } = deletion
  const { new_room_id: newRoomId } = deletion
  const isPurge = deletion.is_purge && (failed.length === 0 || deletion.is_forced)
  // Whoever holds both takes them in the order of their ids, too; aliases that move hold the new room.
  const rooms = await lockRooms(tx, [roomId, ...(newRoomId === null ? [] : [newRoomId])])
  if (rooms.has(roomId)) {
    // Somebody has come in meanwhile.
    if ((await selectInvolved(tx, roomId, failed, 1)).length > 0) return true
    await failScheduled(ctx, tx, roomId)
    await updateIsPublic(tx, roomId, false)
    if (newRoomId !== null && rooms.has(newRoomId)) {
      const aliases = (await selectAliasesOf(tx, roomId)).map(row => row.room_alias)
      await moveAliases(tx, roomId, newRoomId)
      await updateDeletion(tx, deleteId, { local_aliases: JSON.stringify(aliases) })
    }
    if (isPurge) await deleteRoom(tx, roomId)
  }
  if (isPurge) ctx.latestEvents.forget(tx, roomId)
  if (isPurge && (await purgeEvents(tx, roomId, from, batchSize))) return true
  if (isPurge) await deleteForgottenBefore(tx, roomId, from)
  const isRefused = deletion.is_purge && !isPurge
  await updateDeletion(tx, deleteId, {
    status: isRefused ? 'failed' : 'complete',
    error: isRefused ? 'Not all could be made to leave' : null,
    finished_ts: ctx.clock.now(),
  })
  return false
}

/** As Synapse's answer has it, when the room has been shut down. */
export function shutdownOf(deletion: RoomDeletionRow | undefined): JsonObject {
  return {
    kicked_users: JSON.parse(deletion?.kicked_users ?? '[]'),
    failed_to_kick_users: JSON.parse(deletion?.failed_to_kick_users ?? '[]'),
    local_aliases: JSON.parse(deletion?.local_aliases ?? '[]'),
    new_room_id: deletion?.new_room_id ?? null,
  }
}

/** Whether nobody may join the room any more. Spec: Synapse GET /_synapse/admin/v1/rooms/{roomId}/block */
export async function blockOf(ctx: Context, roomId: string): Promise<JsonObject> {
  const [row] = await selectBlocked(ctx.db, [roomId])
  return row ? { block: true, user_id: row.blocked_by } : { block: false }
}

/** Spec: Synapse PUT /_synapse/admin/v1/rooms/{roomId}/block */
export function setBlocked(
  ctx: Context,
  requester: Requester,
  roomId: string,
  isBlocked: boolean,
): Promise<void> {
  const row = { room_id: roomId, blocked_by: requester.userId, blocked_ts: ctx.clock.now() }
  return transaction(ctx.db, tx => (isBlocked ? insertBlocked(tx, row) : deleteBlocked(tx, roomId)))
}
