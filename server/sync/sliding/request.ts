/** What a client asks of sliding sync, parsed. */
import type { PresenceState } from '../../user-data/presence.ts'
import type { RequiredState } from './required-state.ts'

/** What to tell of a room. */
export interface RoomConfig {
  timelineLimit: number
  state: RequiredState
}

export interface ListFilters {
  isDirect?: boolean | undefined
  isEncrypted?: boolean | undefined
  isInvited?: boolean | undefined
  spaces?: string[] | undefined
  /** null stands for rooms without a type. */
  roomTypes?: (string | null)[] | undefined
  notRoomTypes?: (string | null)[] | undefined
  tags?: string[] | undefined
  notTags?: string[] | undefined
}

export interface ListRequest extends RoomConfig {
  /** Places in the list, both ends inclusive; undefined: all of it. */
  ranges: [number, number][] | undefined
  filters: ListFilters
}

/** Of which lists and subscriptions an extension is to tell; undefined, or `*`: of all. */
export interface ExtensionRooms {
  lists?: string[] | undefined
  rooms?: string[] | undefined
}

export interface StickyEventsRequest {
  name: string
  /** Exclusive; undefined: nothing has been told yet. */
  since: number | undefined
  limit: number
}

export interface Extensions {
  toDevice?: { after: number; limit: number } | undefined
  encryption: boolean
  accountData?: ExtensionRooms | undefined
  receipts?: ExtensionRooms | undefined
  typing?: ExtensionRooms | undefined
  threadSubscriptions?: { limit: number } | undefined
  /** Under each of the names that it was asked for. */
  stickyEvents: StickyEventsRequest[]
}

export interface SlidingRequest {
  connId: string
  pos: string | undefined
  timeoutMs: number
  setPresence: PresenceState
  lists: ReadonlyMap<string, ListRequest>
  subscriptions: ReadonlyMap<string, RoomConfig>
  extensions: Extensions
}
