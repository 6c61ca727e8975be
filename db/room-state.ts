/**
 * State through time. A row holds from `position` (inclusive) to `until_position` (exclusive); one
 * table answers "now", "then" and "what changed in between".
 */
import { type RawBuilder, type SqlBool, sql } from 'kysely'
import { fixed } from './fixed.ts'
import type { EventRow, RoomStateRow } from './schema.ts'
import type { Db, Tx } from './transaction.ts'

/** Part of a condition: the row had not ended at this position (inclusive). */
const stillHeldAfter = (at: number): RawBuilder<SqlBool> =>
  sql`(until_position IS NULL OR until_position > ${at})`

/**
 * New pieces of state, in order of position; one key may be there more than once.
 *
 * @returns for each the event that stood under its key before
 */
export async function replaceStates(
  tx: Tx,
  states: readonly Omit<RoomStateRow, 'until_position'>[],
): Promise<(string | undefined)[]> {
  const keyOf = (state: Pick<RoomStateRow, 'room_id' | 'type' | 'state_key'>) =>
    JSON.stringify([state.room_id, state.type, state.state_key])
  const last = new Map<string, RoomStateRow>()
  const given = states.map(state => {
    const row = { ...state, until_position: null }
    const previous = last.get(keyOf(state))
    if (previous) previous.until_position = state.position
    last.set(keyOf(state), row)
    return { row, previous }
  })
  // What stands is ended before anything is inserted: under one key only one row stands.
  const { rows: ended } = await sql<RoomStateRow>`
    WITH given AS MATERIALIZED (
      SELECT * FROM json_populate_recordset(
        NULL::room_state, ${JSON.stringify(given.map(({ row }) => row))}::text::json
      )
    ), ended AS (
      UPDATE room_state SET until_position = first.position
      FROM (
        SELECT room_id, type, state_key, min(position) AS position
        FROM given GROUP BY room_id, type, state_key
      ) AS first
      CROSS JOIN LATERAL (
        SELECT ctid FROM room_state AS standing
        WHERE standing.room_id = first.room_id AND standing.type = first.type
          AND standing.state_key = first.state_key AND standing.until_position IS NULL
        LIMIT 1
      ) AS current
      WHERE room_state.ctid = current.ctid
      RETURNING room_state.*
    ), inserted AS (
      INSERT INTO room_state SELECT * FROM given WHERE (SELECT count(*) FROM ended) >= 0
    )
    SELECT * FROM ended`.execute(tx.q)
  const before = new Map(ended.map(row => [keyOf(row), row]))
  return given.map(({ row, previous }) => (previous ?? before.get(keyOf(row)))?.event_id)
}

export type StateKey = readonly [type: string, stateKey: string]

/**
 * The current events under these keys, in no particular order. A key may come from an event that
 * has not been checked yet: under one with a NUL, which PostgreSQL would refuse, nothing stands.
 */
export async function selectStateOfRooms(
  db: Db,
  wanted: readonly Pick<RoomStateRow, 'room_id' | 'type' | 'state_key'>[],
): Promise<EventRow[]> {
  const byKey = new Map(
    wanted
      .filter(({ type, state_key }) => !`${type}${state_key}`.includes('\0'))
      .map(key => [JSON.stringify([key.room_id, key.type, key.state_key]), key]),
  )
  if (byKey.size === 0) return []
  const keys = [...byKey.values()]
  const { rows } = await fixed<EventRow>`
    SELECT events.*
    FROM unnest(
      ${keys.map(key => key.room_id)}::text[],
      ${keys.map(key => key.type)}::text[],
      ${keys.map(key => key.state_key)}::text[]
    ) AS wanted (room_id, type, state_key)
    CROSS JOIN LATERAL (
      SELECT event_id FROM room_state
      WHERE room_state.room_id = wanted.room_id AND room_state.type = wanted.type
        AND room_state.state_key = wanted.state_key AND room_state.until_position IS NULL
      LIMIT 1
    ) AS current
    JOIN events USING (event_id)`.execute(db.q)
  return rows
}

/** As {@link selectStateOfRooms}, of one room. */
export function selectStateByKeys(
  db: Db,
  roomId: string,
  keys: readonly StateKey[],
): Promise<EventRow[]> {
  const wanted = keys.map(([type, stateKey]) => ({ room_id: roomId, type, state_key: stateKey }))
  return selectStateOfRooms(db, wanted)
}

/** What stands now in these rooms under these types, with the empty state key. */
export async function selectCurrentState(
  db: Db,
  roomIds: readonly string[],
  types: readonly string[],
): Promise<EventRow[]> {
  if (roomIds.length === 0) return []
  const { rows } = await fixed<EventRow>`
    SELECT events.*
    FROM unnest(${[...new Set(roomIds)]}::text[]) AS room (room_id)
    CROSS JOIN unnest(${[...new Set(types)]}::text[]) AS asked (type)
    CROSS JOIN LATERAL (
      SELECT event_id FROM room_state
      WHERE room_state.room_id = room.room_id AND room_state.type = asked.type
        AND room_state.state_key = '' AND until_position IS NULL
      LIMIT 1
    ) AS current
    JOIN events ON events.event_id = current.event_id`.execute(db.q)
  return rows
}

/** room id → how many pieces of state it has now. */
export async function countCurrentState(
  db: Db,
  roomIds: readonly string[],
): Promise<Map<string, number>> {
  if (roomIds.length === 0) return new Map()
  const rows = await db.q
    .selectFrom('room_state')
    .select('room_id')
    .select(({ fn }) => fn.countAll<number>().as('count'))
    .where('room_id', '=', sql<string>`ANY(${[...roomIds]}::text[])`)
    .where('until_position', 'is', null)
    .groupBy('room_id')
    .execute()
  return new Map(rows.map(row => [row.room_id, row.count]))
}

/** Which part of a room's state. Without `types`, all of it. */
export interface StateSelection {
  /** Only these types. */
  types?: readonly string[]
  /** Of `m.room.member`, only these users. Other types are not touched. */
  members?: readonly string[] | undefined
  /** Only what began to hold after this position (exclusive). */
  after?: number
}

/**
 * The state as it stood just after the event at `at` (inclusive), in order of position.
 *
 * It is put together of what still stands and of what has ended since, each by an index of its own, and
 * members apart from all else: what a room's state was long before is not read, however much it is.
 * (`position - 0` is in no index: by it the rows are not to be found.)
 */
export async function selectStateAt(
  db: Db,
  roomId: string,
  at: number,
  { types, members, after = 0 }: StateSelection = {},
): Promise<EventRow[]> {
  const others = types?.filter(type => type !== 'm.room.member')
  const parts: RawBuilder<unknown>[] = []
  if (others === undefined || others.length > 0) parts.push(othersAt(roomId, at, others))
  if (types === undefined || types.includes('m.room.member')) {
    parts.push(members ? membersAt(roomId, at, members) : allMembersAt(roomId, at, after))
  }
  // Of no types at all there is nothing.
  if (parts.length === 0) return []
  const isNew = after > 0 ? sql`WHERE held.position > ${after}` : sql``
  const { rows } = await sql<EventRow>`
    SELECT events.*
    FROM (${sql.join(parts, sql` UNION ALL `)}) AS held
    JOIN events ON events.event_id = held.event_id
    ${isNew}
    ORDER BY held.position`.execute(db.q)
  return rows
}

/** What is nobody's membership; without `types`, all of it. */
function othersAt(roomId: string, at: number, types: readonly string[] | undefined) {
  const isOfTypes = types ? sql`type = ANY(${[...types]}::text[])` : sql`true`
  return sql`
      SELECT event_id, position FROM room_state
      WHERE room_id = ${roomId} AND membership IS NULL AND until_position IS NULL
        AND position <= ${at} AND ${isOfTypes}
      UNION ALL
      SELECT event_id, position FROM room_state
      WHERE room_id = ${roomId} AND membership IS NULL AND until_position > ${at}
        AND position - 0 <= ${at} AND ${isOfTypes}`
}

/** Of each of these users, what last began to hold; each is looked up by itself. */
function membersAt(roomId: string, at: number, userIds: readonly string[]) {
  return sql`
      SELECT one.event_id, one.position
      FROM unnest(${[...new Set(userIds)]}::text[]) AS wanted (user_id)
      CROSS JOIN LATERAL (
        SELECT event_id, position FROM room_state
        WHERE room_id = ${roomId} AND type = 'm.room.member' AND state_key = wanted.user_id
          AND position <= ${at}
        ORDER BY position DESC LIMIT 1
      ) AS one`
}

/** Everybody's; of those who came before `after` not all are looked at. */
function allMembersAt(roomId: string, at: number, after: number) {
  if (after > 0) {
    return sql`
      SELECT event_id, position FROM room_state
      WHERE room_id || '' = ${roomId} AND membership IS NOT NULL
        AND position > ${after} AND position <= ${at} AND ${stillHeldAfter(at)}`
  }
  return sql`
      SELECT event_id, position FROM room_state
      WHERE room_id = ${roomId} AND type = 'm.room.member' AND until_position IS NULL
        AND position - 0 <= ${at}
      UNION ALL
      SELECT event_id, position FROM room_state
      WHERE room_id = ${roomId} AND membership IS NOT NULL AND until_position > ${at}
        AND position - 0 <= ${at}`
}

/** One piece of state as it stood just after the event at `at` (inclusive). */
export async function selectStateEventAt(
  db: Db,
  roomId: string,
  key: StateKey,
  at: number,
): Promise<EventRow | undefined> {
  const { rows } = await fixed<EventRow>`
    SELECT events.*
    FROM (
      SELECT event_id FROM room_state
      WHERE room_id = ${roomId} AND type = ${key[0]} AND state_key = ${key[1]}
        AND position <= ${at}
      ORDER BY position DESC LIMIT 1
    ) AS held
    JOIN events ON events.event_id = held.event_id`.execute(db.q)
  return rows[0]
}

/** Whether any of these types changed under any key in the room in (after, upTo]. */
export async function hasStateChanged(
  db: Db,
  roomId: string,
  types: readonly string[],
  after: number,
  upTo: number,
): Promise<boolean> {
  const row = await db.q
    .selectFrom('room_state')
    .select('position')
    .where(sql<boolean>`room_id || '' = ${roomId}`)
    .where('position', '>', after)
    .where('position', '<=', upTo)
    .where('type', '=', sql<string>`ANY(${[...types]}::text[])`)
    .limit(1)
    .executeTakeFirst()
  return row !== undefined
}

/** Everything that has ever stood under one key in these rooms, oldest first. */
export async function selectStateHistory(
  db: Db,
  roomIds: readonly string[],
  key: StateKey,
): Promise<(Pick<RoomStateRow, 'room_id' | 'position'> & { pdu: string })[]> {
  if (roomIds.length === 0) return []
  const { rows } = await fixed<Pick<RoomStateRow, 'room_id' | 'position'> & { pdu: string }>`
    SELECT room_state.room_id, room_state.position, events.pdu
    FROM room_state JOIN events ON events.event_id = room_state.event_id
    WHERE room_state.room_id = ANY(${[...roomIds]}::text[])
      AND room_state.type = ${key[0]} AND room_state.state_key = ${key[1]}
    ORDER BY room_state.position`.execute(db.q)
  return rows
}
