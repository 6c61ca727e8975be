/** What was asked of the server, and what it said: what the room is held against. */
import type { JsonObject, WireEvent } from '../../spec-tests/support/wire.ts'

export type Act = 'send' | 'cancel' | 'restart' | 'update'

/** Times are Unix ms, read on the machine that the server runs on. */
export interface Asked {
  what: 'schedule' | Act
  sentAt: number
  /** Undefined: no answer came; it may have been done or not. */
  answeredAt?: number
  status?: number
  /** The event that an update became. */
  eventId?: string
}

/** One delayed event. */
export interface Entry {
  /** In its content, and nowhere else: so its event is known even if its `delay_id` is not. */
  mark: string
  kind: 'message' | 'state'
  delayMs: number
  /** Undefined: no answer to the scheduling has come. */
  delayId?: string
  asked: Asked[]
}

/** One life of the server process. */
export interface Life {
  /** Before the process was started. */
  startedAt: number
}

/** What is there to be seen when everything has come to rest. */
export interface Seen {
  /** The room, oldest first. */
  timeline: readonly WireEvent[]
  /** What another user's client was shown, and when. */
  shown: readonly { event: WireEvent; at: number }[]
  /** What looking up by `delay_id` says; `undefined` where it is not known. */
  records: ReadonlyMap<string, JsonObject | undefined>
  /** The `delay_id`s that are still scheduled, long after they were due. */
  stillScheduled: ReadonlySet<string>
  lives: readonly Life[]
}

export const markOf = (event: WireEvent): string => String(event.content.mark)
