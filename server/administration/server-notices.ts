/**
 * The server speaks to one of its users, in a room that is theirs alone: the server's own user
 * makes it at the first notice, invites them, and invites them again when they have left.
 *
 * Spec: Client-Server API "Server Notices"; Synapse "Server Notices"
 */
import { insertUser, lockUser } from '../../db/accounts.ts'
import { selectMembership } from '../../db/memberships.ts'
import { type LockedRoom, lockRoom, selectNoticeRoom, updateNoticesFor } from '../../db/rooms.ts'
import { type Tx, transaction } from '../../db/transaction.ts'
import { noticesUserId } from '../accounts/users.ts'
import type { JsonObject } from '../lib/json.ts'
import { invalidParam, notFound } from '../matrix/errors.ts'
import { domainOf } from '../matrix/ids.ts'
import { appendEvent } from '../rooms/append-event.ts'
import { createRoomWithin, newRoomRequest } from '../rooms/create-room.ts'
import { setMembership } from '../rooms/membership.ts'
import { assertStateContent } from '../rooms/state-content.ts'
import { setTagWithin } from '../user-data/tags.ts'
import type { Context } from './context.ts'

export interface Notice {
  /** Who is spoken to. */
  userId: string
  type: string
  /** Undefined: a message event. */
  stateKey: string | undefined
  content: JsonObject
}

/**
 * @returns the id of the event
 * @throws 400 M_INVALID_PARAM a user of another server · 404 M_NOT_FOUND no such user · as
 *   {@link appendEvent}
 * Spec: Synapse POST and PUT /_synapse/admin/v1/send_server_notice
 */
export async function sendServerNotice(ctx: Context, tx: Tx, notice: Notice): Promise<string> {
  const { userId, type, stateKey, content } = notice
  if (domainOf(userId) !== ctx.config.server_name) {
    throw invalidParam(`${userId} is not a user of this server`)
  }
  // Held, so that there is one room for each of them.
  if (!(await lockUser(tx, userId))) throw notFound(`There is no user ${userId}`)
  const sender = await ensureNoticesUser(ctx, tx)
  const room = (await findRoom(tx, userId)) ?? (await makeRoom(ctx, tx, sender, userId))
  const current = await selectMembership(tx, room.room_id, userId)
  if (current?.membership !== 'join' && current?.membership !== 'invite') {
    await setMembership(ctx, tx, room, { sender, target: userId, membership: 'invite' })
  }
  if (stateKey !== undefined) {
    await assertStateContent(tx, room, { type, stateKey, content })
  }
  const event = await appendEvent(ctx, tx, room, { type, stateKey, sender, content })
  return event.event_id
}

/** As {@link sendServerNotice}, in a transaction of its own: sent again, it is said again. */
export function sendOneServerNotice(ctx: Context, notice: Notice): Promise<string> {
  return transaction(ctx.db, tx => sendServerNotice(ctx, tx, notice))
}

/** Nobody can log in as the server's own user. */
async function ensureNoticesUser(ctx: Context, tx: Tx): Promise<string> {
  const userId = noticesUserId(ctx.config)
  await insertUser(tx, {
    user_id: userId,
    password_hash: null,
    is_guest: false,
    is_admin: false,
    created_ts: ctx.clock.now(),
    deactivated_ts: null,
    displayname: ctx.config.server_notices.display_name,
    avatar_url: null,
  })
  return userId
}

async function findRoom(tx: Tx, userId: string): Promise<LockedRoom | undefined> {
  const roomId = await selectNoticeRoom(tx, userId)
  return roomId === undefined ? undefined : lockRoom(tx, roomId)
}

/** Its user may read there, and nothing else: levels as Synapse gives them. */
async function makeRoom(ctx: Context, tx: Tx, sender: string, userId: string): Promise<LockedRoom> {
  const room = await createRoomWithin(ctx, tx, sender, {
    ...newRoomRequest,
    preset: 'private_chat',
    name: ctx.config.server_notices.room_name,
    creationContent: { 'm.federate': false },
    powerLevelContentOverride: { users_default: -10 },
  })
  await updateNoticesFor(tx, room, userId)
  const tag = { userId, roomId: room.room_id, name: 'm.server_notice' }
  await setTagWithin(ctx, tx, tag, {})
  return room
}
