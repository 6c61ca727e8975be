/**
 * Rooms that somebody has left and asked to hear no more of.
 *
 * Spec: "Leaving rooms"; POST /rooms/{roomId}/forget
 */
import type { MembershipRow } from '../../db/memberships.ts'

type Membership = Pick<MembershipRow, 'position' | 'membership'>

export const isGone = ({ membership }: Pick<Membership, 'membership'>): boolean =>
  membership === 'leave' || membership === 'ban'

/**
 * A room is forgotten until its user comes in again, is invited, or knocks: whoever bans them
 * meanwhile, or lifts the ban, does not bring it back.
 *
 * @param memberships all that the user has had there since they forgot it, and perhaps before
 * @param upTo where they did; undefined: they never have
 */
export function isForgotten(memberships: readonly Membership[], upTo: number | undefined): boolean {
  return upTo !== undefined && memberships.every(one => one.position <= upTo || isGone(one))
}
