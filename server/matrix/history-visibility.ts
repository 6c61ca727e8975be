/**
 * May this user see this event? The rules look at the room as it was at the event, not as it is.
 *
 * Spec: Client-Server API "Room History Visibility".
 */

/** What the user was, and what the room was, when the event was sent. */
export interface Sight {
  /** `history_visibility` before the event; undefined or unknown counts as `shared`. */
  visibility: string | undefined
  /** Only for an `m.room.history_visibility` event: what it sets. */
  visibilityAfterEvent?: string
  /** The user's membership before the event; undefined counts as `leave`. */
  membership: string | undefined
  /** Only for the user's own `m.room.member` event: what it sets. */
  membershipAfterEvent?: string
  /** The user joined the room at some point after the event, left since or not. */
  joinedLater: boolean
}

/**
 * Whether the user may read the event. An event that changes the visibility or the user's own
 * membership is seen by whoever could see it before or after the change.
 *
 * "They left" needs no rule: what came afterwards has the membership `leave` and no later join.
 */
export function mayReadEvent(sight: Sight): boolean {
  const visibilities = [sight.visibility ?? 'shared']
  if (sight.visibilityAfterEvent !== undefined) visibilities.push(sight.visibilityAfterEvent)
  const memberships = [sight.membership]
  if (sight.membershipAfterEvent !== undefined) memberships.push(sight.membershipAfterEvent)
  return visibilities.some(visibility =>
    memberships.some(membership => mayRead(visibility, membership, sight.joinedLater)),
  )
}

function mayRead(visibility: string, membership: string | undefined, joinedLater: boolean) {
  // 1: world_readable → allow.
  if (visibility === 'world_readable') return true
  // 2: the user was joined → allow.
  if (membership === 'join') return true
  // 4: invited, and the user was → allow. 5: otherwise, deny.
  if (visibility === 'invited') return membership === 'invite'
  if (visibility === 'joined') return false
  // 3: shared, or something unknown, and the user joined at any point after the event → allow.
  return joinedLater
}
