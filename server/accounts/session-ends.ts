/**
 * Long polls do not outlive the session that they came with. What a refresh replaces is no end: the
 * device is still the same, and still waits.
 */
import type { Tx } from '../../db/transaction.ts'
import { type MatrixError, unknownToken } from '../matrix/errors.ts'
import type { Requester } from '../requester.ts'
import { type Notifier, sessionTopic } from '../stream/notifier.ts'

/** Some devices of a user, or all but one, or all. */
export type DevicesOf = readonly string[] | { allBut: string } | 'all'

interface Poll {
  deviceId: string
  /** What it is answered, since its session has ended. */
  refusal: MatrixError | undefined
}

export class SessionEnds {
  readonly #notifier: Notifier
  /** By user, those who may have to wait. */
  readonly #polls = new Map<string, Set<Poll>>()

  constructor(notifier: Notifier) {
    this.#notifier = notifier
  }

  /** The sessions of these devices end, or rest: who waits in their name is woken, and refused. */
  note(tx: Tx, userId: string, devices: DevicesOf, refusal = unknownToken()): void {
    tx.afterCommit(() => {
      for (const poll of this.#polls.get(userId) ?? []) {
        if (!isAmong(devices, poll.deviceId)) continue
        poll.refusal ??= refusal
        this.#notifier.publish(0, [sessionTopic(userId, poll.deviceId)])
      }
    })
  }

  /**
   * Run a poll, which waits for `sessionTopic`, too.
   *
   * @param run is given what throws 401 M_UNKNOWN_TOKEN once the session has ended, M_USER_LOCKED once it rests
   */
  async during<T>(
    { userId, deviceId, appService }: Requester,
    run: (assertStands: () => void) => Promise<T>,
  ): Promise<T> {
    // The token of an application service has no session.
    if (appService) return run(() => undefined)
    const poll: Poll = { deviceId, refusal: undefined }
    const ofUser = this.#polls.get(userId) ?? new Set()
    this.#polls.set(userId, ofUser.add(poll))
    try {
      return await run(() => {
        if (poll.refusal) throw poll.refusal
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
