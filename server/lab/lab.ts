/** The laboratory: who holds the clock of a server, and does one thing after the other. */
import { dropCopies, dropCopy } from '../../db/copying.ts'
import type { Database } from '../../db/database.ts'
import type { Tx } from '../../db/transaction.ts'
import type { Context, Holder } from '../context.ts'
import type { LabClock } from '../lib/lab-clock.ts'
import type { Company } from './company.ts'
import { Faults } from './faults.ts'
import type { Snapshot } from './snapshot.ts'
import { Turns } from './turns.ts'

/** The server that the laboratory holds; its context may be another one each time it is asked. */
export interface Held {
  readonly context: Context
  /** Stop the context, change its data, and build it anew. In a turn of the laboratory. */
  swap(change: (db: Database) => Promise<void>): Promise<void>
}

export class Lab implements Holder {
  readonly clock: LabClock
  readonly faults: Faults
  /** By id. They end with the server. */
  readonly snapshots = new Map<string, Snapshot>()
  /** Whom time waits for, too, before it moves on. */
  readonly company = new Set<Company>()
  readonly turns = new Turns()
  #held: Held | undefined
  #transactions = 0

  constructor(clock: LabClock) {
    this.clock = clock
    this.faults = new Faults(clock)
  }

  /** What an earlier process has put aside and could not remove, is removed. */
  async attach(held: Held): Promise<void> {
    this.#held = held
    await dropCopies(held.context.db)
  }

  /** The server stops: what was put aside is removed. */
  async end(): Promise<void> {
    if (!this.#held) return
    for (const id of this.snapshots.keys()) await dropCopy(this.context.db, id)
    this.snapshots.clear()
  }

  letGo(): void {
    this.faults.held.close()
  }

  get held(): Held {
    if (!this.#held) throw new Error('the laboratory holds no server')
    return this.#held
  }

  get context(): Context {
    return this.held.context
  }

  /** How many transactions have ended. */
  get transactions(): number {
    return this.#transactions
  }

  /** The last thing before every COMMIT. */
  async beforeCommit(tx: Tx): Promise<void> {
    tx.onEnd(() => {
      this.#transactions += 1
    })
    await this.faults.beforeCommit(tx)
  }

  /** Run when all that was asked for before is done. */
  inTurn<T>(run: () => Promise<T>): Promise<T> {
    return this.turns.take(run)
  }
}
