/** What is handed to those who understand one dialect of MSC4140, and what they make of it. */
import type { Context } from '../../context.ts'
import type { Call } from '../../http/call.ts'
import type { JsonObject } from '../../lib/json.ts'
import type { Requester } from '../../requester.ts'

/** An event as the path, the query and the body of a request give it. */
export interface GivenEvent {
  roomId: string
  type: string
  stateKey: string | undefined
  content: JsonObject
  transactionId: string | undefined
  /** Unix ms, from an application service. */
  originServerTs?: number | undefined
  /** MSC4354. */
  stickyDurationMs?: number | undefined
}

/** Do what one dialect asks for, once, in one transaction. @returns the answer */
export type Later = (
  ctx: Context,
  requester: Requester,
  event: GivenEvent,
  ways: Ways,
) => Promise<JsonObject>

/** A transaction of its own, or one together with others. */
export type Ways = Pick<Call<'user', unknown, unknown, unknown>, 'once' | 'onceTogether'>
