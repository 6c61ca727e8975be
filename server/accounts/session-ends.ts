/**
 * Long polls do not outlive the session that they came with. What a refresh replaces is no end: the
 * device is still the same, and still waits.
 */
import type { Tx } from '../../db/transaction.ts'
import { unknownToken, userLocked } from '../matrix/errors.ts'
import type { Requester } from '../requester.ts'
import { type Notifier, sessionTopic } from '../stream/notifier.ts'

/** Some devices of a user, or all but one, or all. */
export type DevicesOf = readonly string[] | { allBut: string } | 'all'

interface Poll {
  deviceId: string
  hasEnded: boolean
}

export class SessionEnds {
  readonly #notifier: Notifier
  readonly #isLocked: (userId: string) => boolean
  /** By user, those who may have to wait. */
  readonly #polls = new Map<string, Set<Poll>>()

  /** @param isLocked whether nobody may use the account of a user just now */
  constructor(notifier: Notifier, isLocked: (userId: string) => boolean) {
    this.#notifier = notifier
    this.#isLocked = isLocked
  }

  /** The sessions of these devices end: who waits in their name is woken. */
  note(tx: Tx, userId: string, devices: DevicesOf): void {
    tx.afterCommit(() => {
      for (const poll of this.#polls.get(userId) ?? []) {
        if (!isAmong(devices, poll.deviceId)) continue
        poll.hasEnded = true
        this.#wake(userId, poll)
      }
    })
  }

  /** The user has been locked out: who waits in their name is woken. */
  noteLocked(tx: Tx, userId: string): void {
    tx.afterCommit(() => {
      for (const poll of this.#polls.get(userId) ?? []) this.#wake(userId, poll)
    })
  }

  #wake(userId: string, { deviceId }: Poll): void {
    this.#notifier.publish(0, [sessionTopic(userId, deviceId)])
  }

  /**
   * Run a poll, which waits for `sessionTopic`, too.
   *
   * @param run is given what throws 401 M_UNKNOWN_TOKEN once the session has ended, and M_USER_LOCKED while the
   *   account is locked
   */
  async during<T>(
    { userId, deviceId, appService }: Requester,
    run: (assertStands: () => void) => Promise<T>,
  ): Promise<T> {
    // The token of an application service has no session.
    if (appService) return run(() => undefined)
    const poll = { deviceId, hasEnded: false }
    const ofUser = this.#polls.get(userId) ?? new Set()
    this.#polls.set(userId, ofUser.add(poll))
    try {
      return await run(() => {
        if (poll.hasEnded) throw unknownToken()
        if (this.#isLocked(userId)) throw userLocked()
      })
    } finally {
      ofUser.delete(poll)
      if (ofUser.size === 0) this.#polls.delete(userId)
    }
  }
}

function isAmong(devices: DevicesOf, deviceId: string): boolean {
  if (devices === 'all') return true
  return 'allBut' in devices ? devices.allBut !== deviceId : devices.includes(deviceId)
}
