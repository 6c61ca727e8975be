/** Rooms that the user is invited to, or knocks on: a little of their state, stripped. */

import type { MembershipRow } from '../../db/memberships.ts'
import { selectStateAt } from '../../db/room-state.ts'
import type { JsonObject, JsonValue } from '../lib/json.ts'
import { strippedStateTypes, toStripped } from '../matrix/stripped-state.ts'
import { parsePdu } from '../rooms/stored-event.ts'
import type { Context } from './context.ts'

/** `{ invite_state: { events } }`, as the room was when the invite was made. */
export async function invitedRoom(ctx: Context, invite: MembershipRow): Promise<JsonObject> {
  return { invite_state: { events: await strippedState(ctx, invite) } }
}

/** `{ knock_state: { events } }`, as the room was when the user knocked. */
export async function knockedRoom(ctx: Context, knock: MembershipRow): Promise<JsonObject> {
  return { knock_state: { events: await strippedState(ctx, knock) } }
}

/** The state of the room as it was at this invite or knock, the user's own membership last. */
export async function strippedState(ctx: Context, member: MembershipRow): Promise<JsonValue[]> {
  const rows = await selectStateAt(ctx.db, member.room_id, member.position, {
    types: [...strippedStateTypes, 'm.room.member'],
    members: [member.state_key, member.sender],
  })
  // The user's own membership last: it is what the others explain.
  const own = (row: { event_id: string }) => (row.event_id === member.event_id ? 1 : 0)
  return rows
    .sort((a, b) => own(a) - own(b))
    .map(row => {
      const stripped = toStripped(parsePdu(row))
      // MSC4311: how old the room is can be told from its create event.
      return row.type === 'm.room.create'
        ? { ...stripped, origin_server_ts: row.origin_server_ts }
        : { ...stripped }
    })
}
