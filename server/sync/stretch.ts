/** What is read together of the rooms in an answer. */
import type { EventRow } from '../../db/schema.ts'
import type { Requester } from '../requester.ts'

/** What of a room is to be told. */
export interface Stretch {
  roomId: string
  /** Exclusive; undefined tells the state as a whole and the latest part of the timeline. */
  since: number | undefined
  /** Inclusive. */
  upTo: number
  /** Limited, however little there is: a client must not take it for the whole past. */
  isAlwaysLimited: boolean
  /** Inclusive; undefined if none of the state is for the user to see. */
  stateUpTo: number | undefined
  /** Where the user's membership became what it is, in a room that they are not in any more. */
  departedAt?: number
  /**
   * Exclusive: whose membership has changed since is told, lazily loaded or not. Undefined if they were
   * not in the room before, and have no members that could be out of date.
   */
  membersAfter: number | undefined
  /** Whose memberships have to come along, for the room is named after them. */
  heroes: readonly string[]
  /** MSC4354: what is sticky in the room is told to those who are in it. */
  withSticky: boolean
}

export interface Timeline {
  /** Oldest first. */
  rows: EventRow[]
  /** There is more before them. */
  isLimited: boolean
}

/** What has been found to tell of a room, but for its state. */
export interface Told extends Timeline {
  /** MSC4354: what the timeline does not hold and is sticky. */
  sticky: EventRow[]
}

/** Who looks, and whom they do not want to see. */
export interface View {
  requester: Requester
  ignored: ReadonlySet<string>
}
