/**
 * A parameter that asks for an event to be sent later is understood, or the request is refused.
 * Ignored, it would have the event sent at once: a user would leave the call that they have joined.
 */
import { MatrixError } from '../matrix/errors.ts'

/** MSC4140's parameters, and what its drafts, clients and slips of the pen make of them. */
const names = [
  'delay',
  'delay_ms',
  'future_timeout',
  'future_group_id',
  'parent_future_id',
  // In no draft: matrix-js-sdk and matrix-widget-api still have it among their types.
  'parent_delay_id',
]
const prefixes = ['', 'org.matrix.msc4140.', 'io.element.msc3140.', 'io.element.']
const delays = new Set(prefixes.flatMap(prefix => names.map(name => `${prefix}${name}`)))

/** @throws 400 M_UNRECOGNIZED a parameter asks for a delay, and the endpoint does not know it */
export function refuseDelays(asked: readonly string[], known: readonly string[]): void {
  for (const name of asked) {
    if (delays.has(name) && !known.includes(name)) throw delayNotUnderstood(name)
  }
}

/** 400 M_UNRECOGNIZED: the event is neither sent nor scheduled. */
export const delayNotUnderstood = (name: string) =>
  new MatrixError(400, 'M_UNRECOGNIZED', `${name} is not understood here, so nothing was done`)
