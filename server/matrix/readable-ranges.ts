/**
 * Which stretches of a room's timeline a user may read. Visibility and membership change only at
 * certain events, so what may be read is a few ranges of positions, however long the timeline is.
 *
 * Spec: Client-Server API "Room History Visibility"; the rule itself is in history-visibility.ts.
 */
import { mayReadEvent } from './history-visibility.ts'

/** Something that holds from the event at `position` on, until the next of its kind. */
export interface Change {
  position: number
  value: string
}

/** Both ends inclusive. */
export interface Range {
  from: number
  upTo: number
}

/**
 * @param visibilities what `m.room.history_visibility` was set to, in order of position
 * @param memberships what the user's membership became, in order of position
 * @param upTo the last position to speak of, inclusive
 * @returns the readable ranges, in order, not touching one another
 */
export function readableRanges(
  visibilities: readonly Change[],
  memberships: readonly Change[],
  upTo: number,
): Range[] {
  const ranges: Range[] = []
  const add = (from: number, to: number) => {
    if (from > to) return
    const last = ranges.at(-1)
    if (last && last.upTo === from - 1) last.upTo = to
    else ranges.push({ from, upTo: to })
  }
  const lastJoin = memberships.findLast(change => change.value === 'join')?.position ?? -1
  const changes = [
    ...visibilities.map(({ position, value }) => ({ position, value, isVisibility: true })),
    ...memberships.map(({ position, value }) => ({ position, value, isVisibility: false })),
  ]
    .filter(change => change.position <= upTo)
    .sort((a, b) => a.position - b.position)

  let visibility: string | undefined
  let membership: string | undefined
  let from = 0
  for (const { position, value, isVisibility } of changes) {
    const joinedLater = lastJoin > position
    // Between two changes nothing changes: one answer for the whole stretch.
    const wasJoinedLater = lastJoin >= position
    if (mayReadEvent({ visibility, membership, joinedLater: wasJoinedLater })) {
      add(from, position - 1)
    }
    const isReadable = mayReadEvent({
      visibility,
      membership,
      joinedLater,
      ...(isVisibility ? { visibilityAfterEvent: value } : { membershipAfterEvent: value }),
    })
    if (isReadable) add(position, position)
    if (isVisibility) visibility = value
    else membership = value
    from = position + 1
  }
  if (mayReadEvent({ visibility, membership, joinedLater: lastJoin >= from })) add(from, upTo)
  return ranges
}

/** The ranges, and these positions besides. @param positions in order */
export function withPositions(ranges: readonly Range[], positions: readonly number[]): Range[] {
  const single = positions
    .filter(position => !isInRanges(position, ranges))
    .map(position => ({ from: position, upTo: position }))
  const joined: Range[] = []
  for (const { from, upTo } of [...ranges, ...single].sort((a, b) => a.from - b.from)) {
    const last = joined.at(-1)
    if (last && last.upTo === from - 1) last.upTo = upTo
    else joined.push({ from, upTo })
  }
  return joined
}

/** Whether one of the ranges holds the position. */
export function isInRanges(position: number, ranges: readonly Range[]): boolean {
  return ranges.some(range => range.from <= position && position <= range.upTo)
}
