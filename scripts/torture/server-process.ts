/** The real server in a process of its own, which dies where it is told to, and is started again. */
import {
  type Ended,
  type Program,
  type Storage,
  startProgram,
} from '../../spec-tests/support/program.ts'
import type { Life } from './ledger.ts'
import type { Engine, Instructions, Order, Reached } from './steps.ts'

const inside = new URL('inside.js', import.meta.url)

/** PostgreSQL may need a moment to see that the process that held the database is gone. */
const isTooSoon = ({ stderr }: Ended) => stderr.includes('in use by another process')

export class ServerProcess {
  baseUrl = ''
  readonly lives: Life[] = []
  /** Called with every step that it takes, as long as this is set. */
  onReached: ((reached: Reached) => void) | undefined
  readonly #storage: Storage
  readonly #engine: Engine
  readonly #sabotage: string | undefined
  #program: Program | undefined

  constructor(storage: Storage, engine: Engine, sabotage?: string) {
    this.#storage = storage
    this.#engine = engine
    this.#sabotage = sabotage
  }

  #instructions(order: Order | undefined): Instructions {
    const trace = this.onReached !== undefined
    return { engine: this.#engine, sabotage: this.#sabotage, order, trace }
  }

  /**
   * Start it.
   *
   * @param order at which it may die before it listens
   * @returns false if it did
   * @throws if it ended in any other way
   */
  async start(order?: Order): Promise<boolean> {
    for (;;) {
      const startedAt = Date.now()
      const env = { TORTURE: JSON.stringify(this.#instructions(order)) }
      const program = startProgram([...this.#storage.flags, '--port', '0'], env, inside)
      this.#program = program
      program.onTold(told => this.onReached?.(told as Reached))
      const ended = await Promise.race([program.listening.then(() => undefined), program.ended])
      if (ended && isTooSoon(ended)) continue
      this.lives.push({ startedAt })
      if (ended) return this.#wasKilled(ended)
      this.baseUrl = await program.listening
      return true
    }
  }

  /** From now on it dies there. */
  order(order: Order | undefined): void {
    this.#program?.tell(this.#instructions(order))
  }

  /** When it is dead. @throws if it ended in another way than by being killed */
  async death(): Promise<void> {
    const ended = await this.#program?.ended
    if (ended) this.#wasKilled(ended)
  }

  kill(): void {
    this.#program?.kill('SIGKILL')
  }

  #wasKilled({ exitCode, stderr }: Ended): false {
    if (exitCode === null) return false
    throw new Error(`the server ended by itself, with ${exitCode}: ${stderr}`)
  }
}
