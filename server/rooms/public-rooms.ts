/**
 * The published room directory: which rooms are in it, and reading it page by page, largest rooms
 * first.
 *
 * Spec: Client-Server API "Published Room Directory"
 */
import { selectCurrentState } from '../../db/room-state.ts'
import {
  countPublicRooms,
  lockRoom,
  type PublicRoomPlace,
  selectPublicRooms,
  selectRoom,
  updateIsPublic,
} from '../../db/rooms.ts'
import type { RoomRow } from '../../db/schema.ts'
import { type Db, transaction } from '../../db/transaction.ts'
import type { JsonObject, JsonValue } from '../lib/json.ts'
import { forbidden, invalidParam, notFound } from '../matrix/errors.ts'
import type { Requester } from '../requester.ts'
import type { Context } from './context.ts'
import { mayNameRoom } from './directory.ts'
import { contentOf } from './stored-event.ts'
import { assertJoined } from './visibility.ts'

const defaultPageSize = 100
const mostOnAPage = 1_000
/** How many rooms are read at once when only some of them will be shown. */
const batchSize = 200

export interface PublicRoomsQuery {
  /** 0 counts, and shows no room. */
  limit?: number | undefined
  /** A `next_batch` or `prev_batch` of the same list. */
  since?: string | undefined
  /** Part of a name, a topic or a canonical alias, whatever the case. */
  searchTerm?: string | undefined
  /** Of which types, null standing for rooms without one. Undefined: of all. */
  roomTypes?: readonly (string | null)[] | undefined
}

/** Where a page begins: beside this room, further down the list or further up. Exclusive. */
interface Start {
  place: PublicRoomPlace | undefined
  direction: 'down' | 'up'
}

/** A room, and what is told of it. */
interface Listed {
  room: RoomRow
  summary: JsonObject
}

/**
 * A page of the public room list. A page costs what is on it; with a filter, what lies between, too.
 *
 * @throws 400 M_INVALID_PARAM a `since` that is none
 * Spec: GET and POST /publicRooms
 */
export async function listPublicRooms(ctx: Context, query: PublicRoomsQuery): Promise<JsonObject> {
  const limit = Math.min(query.limit ?? defaultPageSize, mostOnAPage)
  const start = readSince(query.since)
  const { shown, hasMore } = await readPage(ctx.db, query, start, limit)
  if (start.direction === 'up') shown.reverse()
  const [first, last] = [shown[0], shown.at(-1)]
  // Beyond the end from which the page was read there is at least the page that led here.
  const hasNext = start.direction === 'up' ? last !== undefined : hasMore
  const hasPrevious = start.direction === 'up' ? hasMore : start.place !== undefined
  return {
    chunk: shown.map(({ summary }) => summary),
    total_room_count_estimate: await countPublicRooms(ctx.db),
    ...(hasNext && last ? { next_batch: tokenOf('p', last.room) } : {}),
    ...(hasPrevious && first ? { prev_batch: tokenOf('b', first.room) } : {}),
  }
}

async function readPage(
  db: Db,
  query: PublicRoomsQuery,
  start: Start,
  limit: number,
): Promise<{ shown: Listed[]; hasMore: boolean }> {
  const isFiltered = query.searchTerm !== undefined || query.roomTypes !== undefined
  const atOnce = isFiltered ? batchSize : limit + 1
  const shown: Listed[] = []
  let { place } = start
  for (;;) {
    const rooms = await selectPublicRooms(db, { limit: atOnce, place, direction: start.direction })
    const summaries = await publicRooms(db, rooms)
    for (const [index, room] of rooms.entries()) {
      const summary = summaries[index]
      if (!summary || !isWanted(summary, query)) continue
      if (shown.length === limit) return { shown, hasMore: true }
      shown.push({ room, summary })
    }
    const last = rooms.at(-1)
    if (!last || rooms.length < atOnce) return { shown, hasMore: false }
    place = { joinedMembers: last.joined_members, roomId: last.room_id }
  }
}

function isWanted(summary: JsonObject, { searchTerm, roomTypes }: PublicRoomsQuery): boolean {
  const { room_type: type = null, name, topic, canonical_alias: alias } = summary
  if (roomTypes && !roomTypes.some(wanted => wanted === type)) return false
  if (searchTerm === undefined) return true
  const term = searchTerm.toLowerCase()
  return [name, topic, alias].some(
    text => typeof text === 'string' && text.toLowerCase().includes(term),
  )
}

const tokenOf = (kind: 'p' | 'b', room: RoomRow) => `${kind}${room.joined_members}_${room.room_id}`

function readSince(since: string | undefined): Start {
  if (since === undefined) return { place: undefined, direction: 'down' }
  const match = /^([pb])(\d{1,9})_(!.+)$/.exec(since)
  if (!match?.[3]) throw invalidParam('since is not a next_batch of this list')
  return {
    place: { joinedMembers: Number(match[2]), roomId: match[3] },
    direction: match[1] === 'b' ? 'up' : 'down',
  }
}

const shownTypes = [
  'm.room.create',
  'm.room.name',
  'm.room.topic',
  'm.room.avatar',
  'm.room.canonical_alias',
  'm.room.join_rules',
  'm.room.history_visibility',
  'm.room.guest_access',
]

/** What is told of these rooms to those who may find them, in their order. */
export async function publicRooms(db: Db, rooms: readonly RoomRow[]): Promise<JsonObject[]> {
  const ids = rooms.map(room => room.room_id)
  const contents = new Map<string, JsonObject>()
  for (const row of await selectCurrentState(db, ids, shownTypes)) {
    contents.set(`${row.room_id} ${row.type}`, contentOf(row))
  }
  return rooms.map(room => summaryOf(room, type => contents.get(`${room.room_id} ${type}`) ?? {}))
}

/** As {@link publicRooms}, of one. */
export async function publicRoom(db: Db, room: RoomRow): Promise<JsonObject> {
  const [summary] = await publicRooms(db, [room])
  if (!summary) throw new Error('a room was asked for and none was given')
  return summary
}

function summaryOf(room: RoomRow, content: (type: string) => JsonObject): JsonObject {
  const texts: [string, JsonValue | undefined][] = [
    ['name', content('m.room.name').name],
    ['topic', content('m.room.topic').topic],
    ['avatar_url', content('m.room.avatar').url],
    ['canonical_alias', content('m.room.canonical_alias').alias],
    ['join_rule', content('m.room.join_rules').join_rule],
    ['room_type', content('m.room.create').type],
  ]
  return {
    room_id: room.room_id,
    num_joined_members: room.joined_members,
    world_readable: content('m.room.history_visibility').history_visibility === 'world_readable',
    guest_can_join: content('m.room.guest_access').guest_access === 'can_join',
    ...Object.fromEntries(texts.filter(([, value]) => typeof value === 'string' && value !== '')),
  } as JsonObject
}

/**
 * Whether a room is in the directory.
 *
 * @throws 404 M_NOT_FOUND
 * Spec: GET /directory/list/room/{roomId}
 */
export async function readIsPublished(ctx: Context, roomId: string): Promise<boolean> {
  const room = await selectRoom(ctx.db, roomId)
  if (!room) throw notFound('There is no such room')
  return room.is_public
}

/**
 * Put a room into the directory, or take it out.
 *
 * @throws 404 M_NOT_FOUND · 403 M_FORBIDDEN unless the user is in the room and may set its canonical
 *   alias
 * Spec: PUT /directory/list/room/{roomId}
 */
export function publishRoom(
  ctx: Context,
  requester: Requester,
  request: { roomId: string; isPublic: boolean },
): Promise<void> {
  const { roomId, isPublic } = request
  return transaction(ctx.db, async tx => {
    if (!(await lockRoom(tx, roomId))) throw notFound('There is no such room')
    await assertJoined(tx, roomId, requester.userId)
    if (!(await mayNameRoom(tx, roomId, requester.userId))) {
      throw forbidden('You may not change how this room is found')
    }
    await updateIsPublic(tx, roomId, isPublic)
  })
}
