/**
 * Long polls do not outlive the session that they came with. What a refresh replaces is no end: the
 * device is still the same, and still waits.
 */
import type { Tx } from '../../db/transaction.ts'
import { unknownToken } from '../matrix/errors.ts'
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
  /** By user, those who may have to wait. */
  readonly #polls = new Map<string, Set<Poll>>()

  constructor(notifier: Notifier) {
    this.#notifier = notifier
  }

  /** The sessions of these devices end: who waits in their name is woken. */
  note(tx: Tx, userId: string, devices: DevicesOf): void {
    tx.afterCommit(() => {
      for (const poll of this.#polls.get(userId) ?? []) {
        if (!isAmong(devices, poll.deviceId)) continue
        poll.hasEnded = true
        this.#notifier.publish(0, [sessionTopic(userId, poll.deviceId)])
      }
    })
  }

  /**
   * Run a poll, which waits for `sessionTopic`, too.
   *
   * @param run is given what throws 401 M_UNKNOWN_TOKEN once the session has ended
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
