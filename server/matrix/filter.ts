/**
 * Client filters: from JSON, strictly, and applied to events.
 *
 * Spec: Client-Server API "Filtering"; MSC3874 for the relation types.
 */
import { isJsonObject, type JsonObject, type JsonValue } from '../lib/json.ts'
import { badJson } from './errors.ts'
import { isRoomId, isUserId } from './ids.ts'

/** For events outside rooms: presence and account data. An absent list lets everything pass. */
export interface EventFilter {
  limit?: number
  /** `*` stands for any run of characters. */
  types?: string[]
  not_types?: string[]
  senders?: string[]
  not_senders?: string[]
}

export interface RoomLists {
  rooms?: string[]
  not_rooms?: string[]
}

export interface RoomEventFilter extends EventFilter, RoomLists {
  contains_url?: boolean
  lazy_load_members?: boolean
  include_redundant_members?: boolean
  unread_thread_notifications?: boolean
  /** MSC3874, read from either name; only what relates in one of these ways. */
  rel_types?: string[]
  not_rel_types?: string[]
}

export interface RoomFilter extends RoomLists {
  include_leave?: boolean
  timeline?: RoomEventFilter
  state?: RoomEventFilter
  ephemeral?: RoomEventFilter
  account_data?: RoomEventFilter
}

export interface Filter {
  event_fields?: string[]
  event_format?: 'client' | 'federation'
  presence?: EventFilter
  account_data?: EventFilter
  room?: RoomFilter
  /** MSC4309, read from any of its names; false: what became of delayed events is not told. */
  delayed_events_finalised?: boolean
}

/**
 * A filter as it is uploaded, or stands in `/sync?filter=`. Unknown keys are left out; store the
 * JSON and not this, if the client is to read back what it sent.
 *
 * @throws 400 M_BAD_JSON a key of the wrong type, or a room or sender that is no id
 */
export function assertFilter(json: JsonObject): Filter {
  return withoutUndefined({
    event_fields: strings(json, 'event_fields'),
    event_format: oneOf(json, 'event_format', ['client', 'federation'] as const),
    presence: section(json, 'presence', assertEventFilter),
    account_data: section(json, 'account_data', assertEventFilter),
    room: section(json, 'room', room =>
      withoutUndefined({
        ...roomLists(room),
        include_leave: boolean(room, 'include_leave'),
        timeline: section(room, 'timeline', assertRoomEventFilter),
        state: section(room, 'state', assertRoomEventFilter),
        ephemeral: section(room, 'ephemeral', assertRoomEventFilter),
        account_data: section(room, 'account_data', assertRoomEventFilter),
      }),
    ),
    delayed_events_finalised: finalised(json),
  })
}

/** The names of the drafts of MSC4140, which had it first, and of MSC4309. False under one of them is enough. */
const finalisedNames = [
  'finalised_events',
  'delayed_events_finalised',
  'org.matrix.msc4140.finalised_events',
  'org.matrix.msc4140.finalised_delayed_events',
]

function finalised(json: JsonObject): boolean | undefined {
  const said = finalisedNames.map(name => boolean(json, name))
  return said.includes(false) ? false : said.find(value => value !== undefined)
}

/**
 * A filter as it stands in `/messages?filter=`, `/context` and `/search`.
 *
 * @throws 400 M_BAD_JSON as {@link assertFilter}
 */
export function assertRoomEventFilter(json: JsonObject): RoomEventFilter {
  return withoutUndefined({
    ...assertEventFilter(json),
    ...roomLists(json),
    contains_url: boolean(json, 'contains_url'),
    lazy_load_members: boolean(json, 'lazy_load_members'),
    include_redundant_members: boolean(json, 'include_redundant_members'),
    unread_thread_notifications: boolean(json, 'unread_thread_notifications'),
    rel_types: strings(json, 'rel_types') ?? strings(json, 'org.matrix.msc3874.rel_types'),
    not_rel_types:
      strings(json, 'not_rel_types') ?? strings(json, 'org.matrix.msc3874.not_rel_types'),
  })
}

/** What a filter looks at; ephemeral events have no sender, and `/sync` shows no room id. */
export interface FilteredEvent {
  type: string
  sender?: string
  /** Needed if the filter is to say anything about rooms; without it no room is the right one. */
  room_id?: string
  content: JsonObject
}

/** Whether the filter lets the event pass. `limit` and the member options are the caller's. */
export function matchesFilter(event: FilteredEvent, filter: RoomEventFilter): boolean {
  const { type, sender, room_id, content } = event
  const relation = content['m.relates_to']
  const relType = isJsonObject(relation) ? relation.rel_type : undefined
  const isType = (pattern: string) => matchesPattern(type, pattern)
  return (
    (filter.types?.some(isType) ?? true) &&
    !filter.not_types?.some(isType) &&
    isListed(sender, filter.senders, filter.not_senders) &&
    isListed(room_id, filter.rooms, filter.not_rooms) &&
    isListed(relType, filter.rel_types, filter.not_rel_types) &&
    (filter.contains_url === undefined || filter.contains_url === Object.hasOwn(content, 'url'))
  )
}

/** Whether every event passes, of the rooms that the filter speaks of. */
export function isUnfiltered(filter: RoomEventFilter = {}): boolean {
  const { types, not_types, senders, not_senders, contains_url, rel_types, not_rel_types } = filter
  return [types, not_types, senders, not_senders, contains_url, rel_types, not_rel_types].every(
    condition => condition === undefined,
  )
}

/** The latest of them, as many as the filter wants; they come oldest first. */
export function limited<T>(events: T[], { limit }: EventFilter): T[] {
  return limit === undefined || events.length <= limit
    ? events
    : events.slice(events.length - limit)
}

/** Whether the filter speaks of this room at all. */
export function matchesRoom(roomId: string, lists: RoomLists): boolean {
  return isListed(roomId, lists.rooms, lists.not_rooms)
}

/** On the first list, if there is one, and not on the second, which has the last word. */
function isListed(value: JsonValue | undefined, wanted?: string[], unwanted?: string[]): boolean {
  const isIn = (list: string[]) => typeof value === 'string' && list.includes(value)
  return (wanted === undefined || isIn(wanted)) && !(unwanted !== undefined && isIn(unwanted))
}

/** Piece by piece and not by a regular expression, whose patience a client could exhaust. */
function matchesPattern(type: string, pattern: string): boolean {
  const [start = '', ...pieces] = pattern.split('*')
  const end = pieces.pop()
  if (end === undefined) return type === pattern
  if (!type.startsWith(start) || !type.endsWith(end)) return false
  let from = start.length
  for (const piece of pieces) {
    const at = type.indexOf(piece, from)
    if (at < 0) return false
    from = at + piece.length
  }
  return from <= type.length - end.length
}

function assertEventFilter(json: JsonObject): EventFilter {
  return withoutUndefined({
    limit: limit(json),
    types: strings(json, 'types'),
    not_types: strings(json, 'not_types'),
    senders: strings(json, 'senders', isUserId),
    not_senders: strings(json, 'not_senders', isUserId),
  })
}

function roomLists(json: JsonObject): RoomLists {
  return withoutUndefined({
    rooms: strings(json, 'rooms', isRoomId),
    not_rooms: strings(json, 'not_rooms', isRoomId),
  })
}

/** Deviation: null is as good as absent, because matrix-js-sdk sends it to `/messages`. */
function member(json: JsonObject, key: string): JsonValue | undefined {
  const value = Object.hasOwn(json, key) ? json[key] : undefined
  return value === null ? undefined : value
}

function section<T>(
  json: JsonObject,
  key: string,
  read: (section: JsonObject) => T,
): T | undefined {
  const value = member(json, key)
  if (value === undefined) return undefined
  if (!isJsonObject(value)) throw badJson(`Filter: ${key} must be an object`)
  return read(value)
}

function strings(
  json: JsonObject,
  key: string,
  isOne: (text: string) => boolean = () => true,
): string[] | undefined {
  const value = member(json, key)
  if (value === undefined) return undefined
  if (!Array.isArray(value)) throw badJson(`Filter: ${key} must be a list`)
  return value.map(item => {
    // No event has a NUL in what filters look at, and a database would not even take the question.
    if (typeof item === 'string' && !item.includes('\0') && isOne(item)) return item
    throw badJson(`Filter: ${key} holds something that does not belong there`)
  })
}

function boolean(json: JsonObject, key: string): boolean | undefined {
  const value = member(json, key)
  if (value === undefined || typeof value === 'boolean') return value
  throw badJson(`Filter: ${key} must be true or false`)
}

/** Deviation: the spec wants more than 0; Complement asks for 0 events and means it. */
function limit(json: JsonObject): number | undefined {
  const value = member(json, 'limit')
  if (value === undefined) return undefined
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value
  throw badJson('Filter: limit must be a whole number, 0 or more')
}

function oneOf<T extends string>(json: JsonObject, key: string, values: readonly T[]) {
  const value = member(json, key)
  const found = values.find(known => known === value)
  if (value === undefined || found !== undefined) return found
  throw badJson(`Filter: ${key} must be one of ${values.join(', ')}`)
}

/** So that a parsed filter equals what was written. */
function withoutUndefined<T extends object>(record: T): T {
  for (const key of Object.keys(record) as (keyof T)[]) {
    if (record[key] === undefined) delete record[key]
  }
  return record
}
