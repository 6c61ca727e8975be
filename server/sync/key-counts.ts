/**
 * What is left of devices' keys, kept from one answer to the next: every answer of `/sync` tells it,
 * and it seldom changes. Whoever uploads, claims or deletes keys makes it forgotten.
 */
import type { KeyCountRow } from '../../db/sync-reads.ts'
import type { Tx } from '../../db/transaction.ts'
import { RecentMap } from '../lib/recent-map.ts'

interface Device {
  userId: string
  deviceId: string
}

/** Who was read longest ago goes first. */
const mostUsers = 10_000

export class KeyCounts {
  readonly #read: (device: Device) => Promise<KeyCountRow[]>
  readonly #users = new RecentMap<string, Map<string, KeyCountRow[]>>(mostUsers)
  /** What was read before something was forgotten is not kept. */
  #forgettings = 0

  constructor(read: (device: Device) => Promise<KeyCountRow[]>) {
    this.#read = read
  }

  /** In order of algorithm. */
  async of({ userId, deviceId }: Device): Promise<KeyCountRow[]> {
    const known = this.#users.get(userId)?.get(deviceId)
    if (known) return known
    const before = this.#forgettings
    const rows = await this.#read({ userId, deviceId })
    if (before === this.#forgettings) this.#keep({ userId, deviceId }, rows)
    return rows
  }

  /** Keys of the user's devices are changed. */
  forget(tx: Tx, userId: string): void {
    tx.onEnd(() => {
      this.#forgettings += 1
      this.#users.delete(userId)
    })
  }

  #keep({ userId, deviceId }: Device, rows: KeyCountRow[]): void {
    const ofUser = this.#users.get(userId) ?? new Map<string, KeyCountRow[]>()
    this.#users.set(userId, ofUser.set(deviceId, rows))
  }
}
