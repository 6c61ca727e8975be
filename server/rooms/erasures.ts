/**
 * Users who have asked that what they said be erased. Nothing is taken out of the rooms: who was there goes
 * on reading it, and who comes later is shown redacted copies.
 *
 * What they said is their messages, and their own memberships, which name them. Other state is the room's:
 * with an empty `m.room.encryption`, say, it would be another room. Decision 0085.
 *
 * Spec: POST /account/deactivate `erase`; MSC4025
 */
import { insertErased, selectErased } from '../../db/accounts.ts'
import type { EventRow } from '../../db/schema.ts'
import type { Db, Tx } from '../../db/transaction.ts'
import type { Viewer } from './present-event.ts'
import { withRedacted } from './redacted-copies.ts'
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

/** The same rows, with redacted copies of what is erased for this viewer. */
export async function withoutErased(
  db: Db,
  rows: readonly EventRow[],
  viewer: Pick<Viewer, 'erased'>,
  sights: readonly Sight[],
): Promise<readonly EventRow[]> {
  if (!rows.some(row => viewer.erased.has(row.sender))) return rows
  const sightOf = new Map(sights.map(sight => [sight.roomId, sight]))
  return withRedacted(db, rows, row => isErasedFor(viewer, row, sightOf.get(row.room_id)))
}

/** Whether somebody who was not in the room, at any time from this event to its sender's erasure, looks. */
export function isErasedFor(
  { erased }: Pick<Viewer, 'erased'>,
  {
    sender,
    type,
    state_key,
    position,
  }: Pick<EventRow, 'sender' | 'type' | 'state_key' | 'position'>,
  sight: Pick<Sight, 'memberships'> | undefined,
): boolean {
  const erasedAt = erased.get(sender)
  if (erasedAt === undefined) return false
  const isTheirs = state_key === null || (type === 'm.room.member' && state_key === sender)
  const memberships = sight?.memberships ?? []
  const wasThere = memberships.some(({ position: from, value }, i) => {
    const until = memberships[i + 1]?.position ?? Number.POSITIVE_INFINITY
    return value === 'join' && from <= erasedAt && until > position
  })
  return isTheirs && !wasThere
}
