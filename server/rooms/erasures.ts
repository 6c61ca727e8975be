/**
 * Users who have asked that what they said be erased. Nothing is taken out of the rooms: who was there goes
 * on reading it, and who comes later is shown redacted copies.
 *
 * What they said is their messages, and their own memberships, which name them, as do invites to them. Other
 * state is the room's: with an empty `m.room.encryption`, say, it would be another room. Decision 0085.
 *
 * Spec: POST /account/deactivate `erase`; MSC4025
 */
import { insertErased, selectErased } from '../../db/accounts.ts'
import type { EventRow } from '../../db/schema.ts'
import type { Db, Tx } from '../../db/transaction.ts'
import { withRedacted } from './redacted-copies.ts'
import { contentOf } from './stored-event.ts'
import type { Viewer } from './viewer.ts'
import type { Sight } from './visibility.ts'

/** Everybody who has asked for it, in memory: it is asked of every event that is read. */
export class Erasures {
  readonly #erased: Map<string, number>

  static async start(db: Db): Promise<Erasures> {
    return new Erasures(await selectErased(db))
  }

  private constructor(erased: Map<string, number>) {
    this.#erased = erased
  }

  /** By user, the position at which they asked for it. */
  get erased(): ReadonlyMap<string, number> {
    return this.#erased
  }

  /** What this user has said is erased, for all who have not been there yet. Asked for twice, the first counts. */
  async erase(tx: Tx, userId: string, position: number): Promise<void> {
    await insertErased(tx, userId, position)
    tx.afterCommit(() => {
      if (!this.#erased.has(userId)) this.#erased.set(userId, position)
    })
  }
}

type Said = Pick<EventRow, 'sender' | 'type' | 'state_key' | 'position' | 'pdu'>

/** The same rows, with redacted copies of what is erased for this viewer. */
export async function withoutErased(
  db: Db,
  rows: readonly EventRow[],
  viewer: Pick<Viewer, 'erased'>,
  sights: readonly Sight[],
): Promise<readonly EventRow[]> {
  if (viewer.erased.size === 0) return rows
  if (!rows.some(row => erasedUserOf(viewer, row) !== undefined)) return rows
  const sightOf = new Map(sights.map(sight => [sight.roomId, sight]))
  return withRedacted(db, rows, row => isErasedFor(viewer, row, sightOf.get(row.room_id)))
}

/** Whether somebody who was not in the room, at any time from this event to its user's erasure, looks. */
export function isErasedFor(
  viewer: Pick<Viewer, 'erased'>,
  said: Said,
  sight: Pick<Sight, 'memberships'> | undefined,
): boolean {
  const userId = erasedUserOf(viewer, said)
  return userId !== undefined && said.position > wholeUpTo(viewer, userId, sight)
}

/**
 * The position (inclusive) up to which what a user has said is whole: until the viewer went who was last there
 * before it was erased. Nothing is for who never was.
 */
export function wholeUpTo(
  { erased }: Pick<Viewer, 'erased'>,
  userId: string,
  sight: Pick<Sight, 'memberships'> | undefined,
): number {
  const erasedAt = erased.get(userId) ?? Number.POSITIVE_INFINITY
  const memberships = sight?.memberships ?? []
  const last = memberships.findLastIndex(
    ({ position, value }) => value === 'join' && position <= erasedAt,
  )
  return last === -1 ? -1 : (memberships[last + 1]?.position ?? Number.POSITIVE_INFINITY) - 1
}

/** Of those who have asked for it, the one who said this, or whom it names; undefined if it is nobody's. */
function erasedUserOf({ erased }: Pick<Viewer, 'erased'>, said: Said): string | undefined {
  const { sender, type, state_key } = said
  if (state_key === null) return erased.has(sender) ? sender : undefined
  if (type !== 'm.room.member' || !erased.has(state_key)) return undefined
  // Whoever invites says who it is, in the words of the invited. Other memberships are their sender's words.
  const isTheirs = sender === state_key || contentOf(said).membership === 'invite'
  return isTheirs ? state_key : undefined
}
