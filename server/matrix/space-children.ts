/**
 * The children of a space, in order.
 *
 * Spec: Client-Server API "Spaces", "Ordering of children within a space"
 */
import type { JsonObject } from '../lib/json.ts'

/** An `m.space.child` event, as far as it matters here. */
export interface SpaceChild {
  /** The id of the child. */
  state_key: string
  origin_server_ts: number
  content: JsonObject
}

/** By what a child stands where it does: `order`, then the time of its event, then its id. */
export type ChildKey = readonly [order: string | null, originServerTs: number, roomId: string]

/** Without `via` it is no child any more: that is how children are removed. */
export function isChild({ content }: SpaceChild): boolean {
  return Array.isArray(content.via)
}

/** At most 50 characters between space and `~`; any other `order` is as none. */
export function childKey({ state_key, origin_server_ts, content }: SpaceChild): ChildKey {
  const { order } = content
  const isValid = typeof order === 'string' && /^[\x20-\x7e]{1,50}$/.test(order)
  return [isValid ? order : null, origin_server_ts, state_key]
}

/** Below 0 if `one` comes first. Who has no order comes after all who have one. */
export function compareChildren(one: ChildKey, other: ChildKey): number {
  return compareOrders(one[0], other[0]) || one[1] - other[1] || compare(one[2], other[2])
}

function compareOrders(one: string | null, other: string | null): number {
  if (one === null || other === null) return Number(one === null) - Number(other === null)
  return compare(one, other)
}

/** By code points; `order` is ASCII, and in room ids only the result's stability counts. */
const compare = (one: string, other: string) => (one < other ? -1 : one > other ? 1 : 0)
