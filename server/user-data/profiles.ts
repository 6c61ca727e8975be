/**
 * Profiles: a name, a picture, and whatever else users say of themselves.
 *
 * Spec: Client-Server API "Profiles"; MSC4133 for further fields
 */
import { lockUser, selectUser } from '../../db/accounts.ts'
import { selectJoinedRooms } from '../../db/memberships.ts'
import {
  deleteProfileField,
  selectProfileFields,
  updateProfile,
  upsertProfileField,
} from '../../db/profiles.ts'
import { selectStateOfRooms } from '../../db/room-state.ts'
import { lockRooms } from '../../db/rooms.ts'
import type { UserRow } from '../../db/schema.ts'
import { type Db, transaction } from '../../db/transaction.ts'
import { isDeeperThan, type JsonObject, type JsonValue } from '../lib/json.ts'
import { isStorable } from '../lib/storable.ts'
import { badJson, invalidParam, MatrixError, notFound } from '../matrix/errors.ts'
import { appendEvents } from '../rooms/append-event.ts'
import { contentOf } from '../rooms/stored-event.ts'
import type { Context } from './context.ts'

/** The two that every room shows beside the user. */
const memberKeys = ['displayname', 'avatar_url'] as const
type MemberKey = (typeof memberKeys)[number]
const isMemberKey = (key: string): key is MemberKey => memberKeys.some(known => known === key)

const maxKeyBytes = 255
/** Of the whole profile as JSON. */
const maxProfileBytes = 65_536
/** A name or a picture stands in every membership event, which has 65536 bytes in all. */
const maxMemberBytes = 1_000

/**
 * All that the user says of themselves.
 *
 * @throws 404 M_NOT_FOUND unknown user
 * Spec: GET /profile/{userId}
 */
export async function profile(ctx: Context, userId: string): Promise<JsonObject> {
  return readProfile(ctx.db, userId)
}

/**
 * @throws 404 M_NOT_FOUND unknown user, or they do not say
 * Spec: GET /profile/{userId}/{keyName}
 */
export async function profileField(
  ctx: Context,
  userId: string,
  keyName: string,
): Promise<JsonObject> {
  const fields = await readProfile(ctx.db, userId)
  const value = Object.hasOwn(fields, keyName) ? fields[keyName] : undefined
  if (value === undefined) throw notFound(`${userId} has no ${keyName}`)
  return { [keyName]: value }
}

async function readProfile(db: Db, userId: string): Promise<JsonObject> {
  const user = await selectUser(db, userId)
  if (!user || user.deactivated_ts !== null) throw notFound('There is no such user')
  const fields = await selectProfileFields(db, userId)
  return {
    ...Object.fromEntries(fields.map(row => [row.key_name, JSON.parse(row.value) as JsonValue])),
    ...(user.displayname === null ? {} : { displayname: user.displayname }),
    ...(user.avatar_url === null ? {} : { avatar_url: user.avatar_url }),
  }
}

/**
 * Set a field, or remove it, and show the new name or picture in all the user's rooms.
 *
 * @param value undefined removes it; so do null and the empty string for a name or a picture
 * @throws 400 M_KEY_TOO_LARGE, M_PROFILE_TOO_LARGE, M_INVALID_PARAM, M_BAD_JSON
 * Spec: PUT and DELETE /profile/{userId}/{keyName}
 */
export async function setProfileField(
  ctx: Context,
  userId: string,
  keyName: string,
  value: JsonValue | undefined,
): Promise<void> {
  assertKey(keyName)
  if (isMemberKey(keyName)) {
    const text = memberText(keyName, value)
    await transaction(ctx.db, tx => updateProfile(tx, userId, { [keyName]: text }))
    await showInRooms(ctx, userId)
    return
  }
  if (value !== undefined && isDeeperThan(value, 100)) throw badJson('That is nested too deeply')
  await transaction(ctx.db, async tx => {
    await lockUser(tx, userId)
    if (value === undefined) return deleteProfileField(tx, userId, keyName)
    const fields = { ...(await readProfile(tx, userId)), [keyName]: value }
    if (Buffer.byteLength(JSON.stringify(fields)) > maxProfileBytes) {
      throw new MatrixError(400, 'M_PROFILE_TOO_LARGE', 'A profile has 64 KiB at most')
    }
    return upsertProfileField(tx, {
      user_id: userId,
      key_name: keyName,
      value: JSON.stringify(value),
    })
  })
}

function assertKey(keyName: string): void {
  if (Buffer.byteLength(keyName) > maxKeyBytes) {
    throw new MatrixError(400, 'M_KEY_TOO_LARGE', `A key has ${maxKeyBytes} bytes at most`)
  }
  // "Common Namespaced Identifier Grammar"; `displayname` and `avatar_url` fall under it too.
  if (!/^[a-z][a-z0-9_.-]*$/.test(keyName)) {
    throw invalidParam('A key begins with a-z and has a-z, 0-9, and ._- only')
  }
}

function memberText(keyName: MemberKey, value: JsonValue | undefined): string | null {
  if (value === undefined || value === null || value === '') return null
  if (typeof value !== 'string') throw badJson(`${keyName} must be a string`)
  if (!isStorable(value)) {
    throw invalidParam(`${keyName} has characters that cannot be kept`)
  }
  if (Buffer.byteLength(value) > maxMemberBytes) throw invalidParam(`${keyName} is too long`)
  return value
}

/** So many are held at once: who speaks in one of them waits for all. */
const roomsAtOnce = 50

/**
 * A room that refuses keeps the old profile, as one does in which the user has been muted; if we die
 * on the way, setting it again goes on. Who is suspended does not get here; an administrator does, for them.
 */
async function showInRooms(ctx: Context, userId: string): Promise<void> {
  const roomIds = await selectJoinedRooms(ctx.db, userId)
  for (let at = 0; at < roomIds.length; at += roomsAtOnce) {
    await showInRoomsTogether(ctx, userId, roomIds.slice(at, at + roomsAtOnce))
  }
}

function showInRoomsTogether(
  ctx: Context,
  userId: string,
  roomIds: readonly string[],
): Promise<void> {
  return transaction(ctx.db, async tx => {
    const rooms = await lockRooms(tx, roomIds)
    const place = { type: 'm.room.member', state_key: userId }
    const members = await selectStateOfRooms(
      tx,
      roomIds.map(room_id => ({ room_id, ...place })),
    )
    const user = await selectUser(tx, userId)
    if (!user) return
    const entries = members.flatMap(member => {
      const room = rooms.get(member.room_id)
      const content = contentFor(user, contentOf(member))
      if (!room || !content) return []
      const { type, state_key: stateKey } = place
      const draft = { type, stateKey, sender: userId, content, evenIfSuspended: true as const }
      return [{ room, draft }]
    })
    const outcomes = await appendEvents(ctx, tx, entries)
    outcomes.forEach((outcome, i) => {
      if (!(outcome instanceof MatrixError)) return
      const { errcode } = outcome
      ctx.log.info({ room_id: entries[i]?.room.room_id, errcode }, 'a room refused a profile')
    })
  })
}

/**
 * The membership as the profile is now: of two changes at once, the one that comes second shows both.
 *
 * @returns undefined if there is nothing to change
 */
function contentFor(user: Pick<UserRow, MemberKey>, before: JsonObject): JsonObject | undefined {
  if (before.membership !== 'join') return undefined
  const { displayname: name = null, avatar_url: picture = null, ...content } = before
  if (name === user.displayname && picture === user.avatar_url) return undefined
  if (user.displayname !== null) content.displayname = user.displayname
  if (user.avatar_url !== null) content.avatar_url = user.avatar_url
  return content
}
