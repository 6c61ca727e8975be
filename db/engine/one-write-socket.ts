/** A connection on which what is written within one turn of the event loop is sent at once. */
import { Socket } from 'node:net'

/**
 * Every write wakes whoever reads, and is a call into the system: measured, 100 µs of a processor. Two
 * messages that follow each other without waiting should be one. The driver corks the connection for
 * each prepared statement; here it stays corked until all that is ready to run has run.
 */
export class OneWriteSocket extends Socket {
  #isCorked = false

  override cork(): void {
    super.cork()
    if (this.#isCorked) return
    this.#isCorked = true
    super.cork()
    process.nextTick(() => {
      this.#isCorked = false
      this.uncork()
    })
  }
}
