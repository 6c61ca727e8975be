/** What an answer of `/sync` is about. */
import type { MembershipRow } from '../../db/memberships.ts'

/** (since, upTo]; without `since` everything, as if nothing had been told yet. */
export interface Window {
  since: number | undefined
  upTo: number
}

/** What became of a user's membership in one room within the window. */
export interface RoomChange {
  roomId: string
  /** What holds at `upTo`. */
  now: MembershipRow
  /** In the room at `since`, and all the time since. */
  wasJoinedThroughout: boolean
  /** In the room at `since`. */
  wasJoinedBefore: boolean
}

/** A room of a user to whom nothing has happened within the window. */
export interface StayedRoom {
  roomId: string
  wasJoinedThroughout: true
  wasJoinedBefore: true
}

/** A room that the user is in at `upTo`. */
export type JoinedRoom = Pick<RoomChange, 'roomId' | 'wasJoinedThroughout' | 'wasJoinedBefore'>
