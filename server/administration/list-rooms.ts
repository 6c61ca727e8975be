/**
 * All rooms as an administrator sees them, in the shapes of Synapse. An order, or a search, of what
 * their state says reads all of them.
 *
 * Spec: Synapse "Rooms Admin API"
 */
import { countCurrentState, selectCurrentState } from '../../db/room-state.ts'
import { selectAllRooms, selectRoom } from '../../db/rooms.ts'
import type { RoomRow } from '../../db/schema.ts'
import type { JsonObject, JsonValue } from '../lib/json.ts'
import { notFound } from '../matrix/errors.ts'
import { contentOf } from '../rooms/stored-event.ts'
import type { Context } from './context.ts'

const shownTypes = [
  'm.room.create',
  'm.room.name',
  'm.room.topic',
  'm.room.avatar',
  'm.room.canonical_alias',
  'm.room.encryption',
  'm.room.join_rules',
  'm.room.history_visibility',
  'm.room.guest_access',
]

export const roomOrders = [
  'name',
  'alphabetical',
  'canonical_alias',
  'joined_members',
  'joined_local_members',
  'size',
  'version',
  'creator',
  'join_rules',
  'state_events',
] as const
export type RoomOrder = (typeof roomOrders)[number]

export interface RoomListQuery {
  from: number
  limit: number
  order: RoomOrder
  isReversed: boolean
  /** Part of the name, the alias or the id. */
  searchTerm: string | undefined
  isPublic: boolean | undefined
  isEmpty: boolean | undefined
}

/** Spec: Synapse GET /_synapse/admin/v1/rooms */
export async function listRooms(ctx: Context, query: RoomListQuery): Promise<JsonObject> {
  const { from, limit, order, isReversed } = query
  const all = await describe(ctx, await selectAllRooms(ctx.db))
  const rooms = all.filter(room => isWanted(room, query)).sort(comparison(order))
  if (isReversed) rooms.reverse()
  const page = rooms.slice(from, from + limit)
  return {
    rooms: page,
    offset: from,
    total_rooms: rooms.length,
    ...(from + limit < rooms.length ? { next_batch: from + limit } : {}),
    ...(from > 0 ? { prev_batch: Math.max(0, from - limit) } : {}),
  }
}

/**
 * @throws 404 M_NOT_FOUND
 * Spec: Synapse GET /_synapse/admin/v1/rooms/{roomId}
 */
export async function describeRoom(ctx: Context, roomId: string): Promise<JsonObject> {
  const room = await selectRoom(ctx.db, roomId)
  const [described] = room ? await describe(ctx, [room]) : []
  if (!described) throw notFound('There is no such room')
  return described
}

async function describe(ctx: Context, rooms: readonly RoomRow[]): Promise<JsonObject[]> {
  const ids = rooms.map(room => room.room_id)
  const states = new Map<string, { sender: string; content: JsonObject }>()
  for (const row of await selectCurrentState(ctx.db, ids, shownTypes)) {
    const content = contentOf(row)
    states.set(`${row.room_id} ${row.type}`, { sender: row.sender, content })
  }
  const counts = await countCurrentState(ctx.db, ids)
  return rooms.map(room => {
    const state = (type: string) => states.get(`${room.room_id} ${type}`)
    const text = (type: string, key: string): JsonValue => {
      const value = state(type)?.content[key]
      return typeof value === 'string' ? value : null
    }
    return {
      room_id: room.room_id,
      name: text('m.room.name', 'name'),
      topic: text('m.room.topic', 'topic'),
      avatar: text('m.room.avatar', 'url'),
      canonical_alias: text('m.room.canonical_alias', 'alias'),
      joined_members: room.joined_members,
      joined_local_members: room.joined_members,
      version: room.version,
      creator: state('m.room.create')?.sender ?? null,
      encryption: text('m.room.encryption', 'algorithm'),
      federatable: state('m.room.create')?.content['m.federate'] !== false,
      public: room.is_public,
      join_rules: text('m.room.join_rules', 'join_rule'),
      guest_access: text('m.room.guest_access', 'guest_access'),
      history_visibility: text('m.room.history_visibility', 'history_visibility'),
      state_events: counts.get(room.room_id) ?? 0,
      room_type: text('m.room.create', 'type'),
    }
  })
}

function isWanted(room: JsonObject, { searchTerm, isPublic, isEmpty }: RoomListQuery): boolean {
  if (isPublic !== undefined && room.public !== isPublic) return false
  if (isEmpty !== undefined && (room.joined_members === 0) !== isEmpty) return false
  if (searchTerm === undefined) return true
  if (String(room.room_id) === searchTerm) return true
  const term = searchTerm.toLowerCase()
  return [room.name, room.canonical_alias, room.room_id].some(
    text => typeof text === 'string' && text.toLowerCase().includes(term),
  )
}

const fieldOf: Partial<Record<RoomOrder, string>> = {
  alphabetical: 'name',
  size: 'joined_members',
}

/** Numbers from the largest down, texts from a to z; who has none of it comes last. */
function comparison(order: RoomOrder): (a: JsonObject, b: JsonObject) => number {
  const field = fieldOf[order] ?? order
  const byId = (a: JsonObject, b: JsonObject) => (String(a.room_id) < String(b.room_id) ? -1 : 1)
  return (a, b) => {
    const [x, y] = [a[field], b[field]]
    if (typeof x === 'number' && typeof y === 'number') return y - x || byId(a, b)
    if (x === y) return byId(a, b)
    if (typeof x !== 'string') return 1
    if (typeof y !== 'string') return -1
    return x.toLowerCase() < y.toLowerCase() ? -1 : 1
  }
}
