/** Something that is done again and again in the background: what nobody waits for. */
import type { Clock, Timer } from './clock.ts'
import type { Log } from './log.ts'

/** Told whether the server stops meanwhile; it then ends soon, its work half done. */
export type Job = (isStopped: () => boolean) => Promise<void>

/**
 * Runs jobs one after the other, a minute after the start and then a while after each run's end. A
 * job that fails is logged and tried again the next time; the others are run all the same.
 */
export class Sweeper {
  readonly #given: { clock: Clock; log: Log; everyMs: number }
  #timer: Timer | undefined
  #running: Promise<void> | undefined
  #stopped = false

  constructor(given: { clock: Clock; log: Log; everyMs: number }) {
    this.#given = given
  }

  start(jobs: readonly Job[]): void {
    this.#arm(jobs, 60_000)
  }

  /** Wait until nothing is being done at this moment. */
  async idle(): Promise<void> {
    await this.#running
  }

  isIdle(): boolean {
    return this.#running === undefined
  }

  /** Let what is being done finish. */
  async stop(): Promise<void> {
    this.#stopped = true
    this.#timer?.cancel()
    await this.#running
  }

  #arm(jobs: readonly Job[], inMs: number): void {
    const { clock, everyMs } = this.#given
    if (this.#stopped) return
    this.#timer = clock.timer(clock.now() + inMs, () => {
      this.#running = this.#run(jobs).finally(() => {
        this.#running = undefined
        this.#arm(jobs, everyMs)
      })
    })
  }

  async #run(jobs: readonly Job[]): Promise<void> {
    for (const job of jobs) {
      if (this.#stopped) return
      try {
        await job(() => this.#stopped)
      } catch (error) {
        this.#given.log.error({ err: error }, 'what is old could not be removed')
      }
    }
  }
}
