/**
 * Positions: one number line for everything that `/sync` tells of.
 *
 * A writer takes its position inside its transaction, before it commits, and transactions commit
 * in any order. So a reader may only look as far as everything below is decided: `settled()`. A
 * reader that went by "the highest position in the table" would step over a lower one that
 * commits a moment later, and its client would never hear of that event.
 *
 * Numbers come from a PostgreSQL sequence in blocks, so that they never go backwards when the
 * process starts again, also for what lives only in memory.
 */

import { positionBlockSize, reservePositionBlock } from '../../db/stream.ts'
import { type Db, outsideTransactions, type Tx } from '../../db/transaction.ts'
import type { Notifier } from './notifier.ts'

export class StreamClock {
  readonly #notifier: Notifier
  readonly #buyBlock: () => Promise<number>
  readonly #blockSize: number
  #last: number
  #blockEnd: number
  #nextBlock: { first: number } | undefined
  #buying: Promise<void> | undefined
  /** Taken and not yet decided. A Set keeps the order of taking, which is the order of size. */
  readonly #inFlight = new Set<number>()
  /** Decided, and still above something that is not. In ascending order of decision, not of size. */
  #waiting: { position: number; topics: readonly string[] }[] = []
  #idle: { upTo: number; tell: () => void }[] = []

  /** Reserve the first block. A test may use less of each block than is reserved. */
  static async start(
    db: Db,
    notifier: Notifier,
    blockSize: number = positionBlockSize,
  ): Promise<StreamClock> {
    const buyBlock = () => reservePositionBlock(db)
    return new StreamClock(notifier, buyBlock, blockSize, await buyBlock())
  }

  private constructor(
    notifier: Notifier,
    buyBlock: () => Promise<number>,
    blockSize: number,
    first: number,
  ) {
    this.#notifier = notifier
    this.#buyBlock = buyBlock
    this.#blockSize = blockSize
    this.#last = first - 1
    this.#blockEnd = first + blockSize - 1
    notifier.rememberAfter(this.#last)
  }

  /**
   * The next position, held back from readers until `tx` ends; if it commits, `topics` are woken,
   * with what has been added to them until then.
   * Not asynchronous, so numbering and registering cannot be torn apart.
   */
  take(tx: Tx, topics: readonly string[]): number {
    const position = this.#next()
    this.#inFlight.add(position)
    tx.onEnd(committed => {
      this.#inFlight.delete(position)
      if (committed) this.#waiting.push({ position, topics })
      this.#publishSettled()
    })
    return position
  }

  /** The next position for something that lives in memory and is already true. */
  takeNow(topics: readonly string[]): number {
    const position = this.#next()
    this.#waiting.push({ position, topics })
    this.#publishSettled()
    return position
  }

  /** The highest position at and below which nothing is still in flight. */
  settled(): number {
    for (const lowest of this.#inFlight) return lowest - 1
    return this.#last
  }

  /**
   * The last position handed out, decided or not. Good enough for reading one room: its appends
   * queue up at its row, so in one room positions become visible in their order.
   */
  latest(): number {
    return this.#last
  }

  /** Until everything that has a position now is decided. */
  idle(): Promise<void> {
    const upTo = this.#last
    if (this.settled() >= upTo) return Promise.resolve()
    return new Promise(tell => this.#idle.push({ upTo, tell }))
  }

  isIdle(): boolean {
    return this.settled() === this.#last
  }

  /** Wait for a block that is just being bought; the database must not be closed before. */
  async stop(): Promise<void> {
    await this.#buying
  }

  #publishSettled(): void {
    const settled = this.settled()
    for (const { tell } of this.#idle.filter(({ upTo }) => upTo <= settled)) tell()
    this.#idle = this.#idle.filter(({ upTo }) => upTo > settled)
    const ready = this.#waiting.filter(entry => entry.position <= settled)
    if (ready.length === 0) return
    this.#waiting = this.#waiting.filter(entry => entry.position > settled)
    for (const { position, topics } of ready) this.#notifier.publish(position, topics)
  }

  #next(): number {
    if (this.#last === this.#blockEnd) {
      if (!this.#nextBlock) throw new Error('stream positions ran out before a new block arrived')
      this.#last = this.#nextBlock.first - 1
      this.#blockEnd = this.#nextBlock.first + this.#blockSize - 1
      this.#nextBlock = undefined
    }
    this.#last += 1
    if (this.#blockEnd - this.#last < this.#blockSize / 2) this.#buyAhead()
    return this.#last
  }

  #buyAhead(): void {
    if (this.#nextBlock || this.#buying) return
    // Whoever took the position is most likely in a transaction; the block is for everybody.
    this.#buying = outsideTransactions(this.#buyBlock)
      .then(first => {
        this.#nextBlock = { first }
      })
      // The next `take` tries again; half a block is left when the first attempt is made.
      .catch(() => undefined)
      .finally(() => {
        this.#buying = undefined
      })
  }
}
