/** The words that the chapters of the authorisation rules share. */
import type { JsonObject } from '../lib/json.ts'
import type { AuthEvent, StateLookup } from './event.ts'
import type { RoomVersion } from './room-versions.ts'

/** The answer of a rule: a value, because being refused is an expected outcome. */
export type Verdict = { allowed: true } | { allowed: false; reason: string }

export const allow: Verdict = { allowed: true }

/** @param reason a sentence for the client's 403: ids, levels and key names, no other content */
export const refuse = (reason: string): Verdict => ({ allowed: false, reason })

/** What the rules need to know and cannot see in the event or the state. */
export interface AuthOptions {
  /** The event's only `prev_events` entry is the create event: the creator's first join. */
  isFirstAfterCreate?: boolean
  /** Is the event signed by this server? Not asked about the sender's own; absent means no. */
  isSignedBy?: (serverName: string) => boolean
  /** Is `signed` signed with one of these keys (unpadded base64)? Absent means no. */
  isSignedWithOneOf?: (signed: JsonObject, publicKeys: string[]) => boolean
}

/** The room before the event, with the two pieces of state that nearly every rule wants. */
export interface RoomState {
  state: StateLookup
  create: AuthEvent
  powerLevels: AuthEvent | undefined
  version: RoomVersion
}
