/**
 * Accounts that an administrator has locked or suspended. Who is locked cannot use theirs at all; who is
 * suspended reads on, and says nothing.
 *
 * Whether somebody is suspended is asked when an event is sent, as their power is: a delayed event that was
 * scheduled before is refused when it is due.
 *
 * Spec: Client-Server API "Account locking", "Account suspension"; MSC3823, MSC3939
 */
import { selectRestricted, upsertRestricted } from '../../db/accounts.ts'
import type { EventRow } from '../../db/schema.ts'
import type { Db, Tx } from '../../db/transaction.ts'
import { userSuspended } from '../matrix/errors.ts'
import type { EventDraft } from './build-event.ts'

export interface Restriction {
  isLocked: boolean
  isSuspended: boolean
}

const none: Restriction = { isLocked: false, isSuspended: false }

/** All of them, in memory: it is asked of every request, and of every event that is sent. */
export class Restrictions {
  readonly #restricted: Map<string, Restriction>

  static async start(db: Db): Promise<Restrictions> {
    const rows = await selectRestricted(db)
    return new Restrictions(
      new Map(
        rows.map(row => [row.user_id, { isLocked: row.is_locked, isSuspended: row.is_suspended }]),
      ),
    )
  }

  private constructor(restricted: Map<string, Restriction>) {
    this.#restricted = restricted
  }

  of(userId: string): Readonly<Restriction> {
    return this.#restricted.get(userId) ?? none
  }

  async setLocked(tx: Tx, userId: string, isLocked: boolean): Promise<void> {
    await upsertRestricted(tx, userId, { is_locked: isLocked })
    tx.afterCommit(() => this.#note(userId, { isLocked }))
  }

  async setSuspended(tx: Tx, userId: string, isSuspended: boolean): Promise<void> {
    await upsertRestricted(tx, userId, { is_suspended: isSuspended })
    tx.afterCommit(() => this.#note(userId, { isSuspended }))
  }

  #note(userId: string, change: Partial<Restriction>): void {
    this.#restricted.set(userId, { ...this.of(userId), ...change })
  }

  /** @throws 403 M_USER_SUSPENDED */
  assertNotSuspended(userId: string): void {
    if (this.of(userId).isSuspended) throw userSuspended()
  }

  /**
   * Who is suspended may leave, and take back what they have said themselves: once, for a redaction that empties
   * nothing could still give any words as its reason.
   *
   * @param original what this one redacts in its room
   * @throws 403 M_USER_SUSPENDED
   */
  assertMaySend(
    draft: EventDraft,
    original: Pick<EventRow, 'sender' | 'redacted_by'> | undefined,
  ): void {
    const { type, sender, stateKey, content, evenIfSuspended = false } = draft
    if (evenIfSuspended || !this.of(sender).isSuspended) return
    const leaves = type === 'm.room.member' && stateKey === sender && content.membership === 'leave'
    const takesBack = original?.sender === sender && original.redacted_by === null
    if (!leaves && !takesBack) throw userSuspended()
  }
}
