/**
 * Faults at exact points: a test says what is to go wrong, for whom, where and how often, and reads
 * afterwards what did.
 *
 *   request ─► connection_reset, rate_limited, error        nothing has been done
 *           ─► request_delayed                              it is done later
 *           ─► serialisation_failure                        all is done, and undone at the COMMIT
 *           ─► answer_delayed, answer_lost                  it is done, and committed
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import { failToSerialise, selectWrittenBy } from '../../db/faults.ts'
import type { Tx } from '../../db/transaction.ts'
import { endpoints } from '../client-api/index.ts'
import type { Context } from '../context.ts'
import type { Answer } from '../http/answer.ts'
import type { Act } from '../http/call.ts'
import type { Around, Endpoint, Request, Response } from '../http/endpoint.ts'
import { parse } from '../http/schemas.ts'
import type { Clock } from '../lib/clock.ts'
import { randomLetters } from '../lib/random.ts'
import { invalidParam } from '../matrix/errors.ts'
import type { Fault, FaultKind, FaultOptions, Strike } from './fault.ts'
import { answerInstead } from './fault-answers.ts'
import { factsOf } from './fault-facts.ts'
import { faultSchema } from './fault-schema.ts'
import { asSpecified, type Facts, firing, fits, isEndpoint, withTouched } from './fault-scope.ts'
import { Held } from './held.ts'

const faultInOurs = faultSchema({})

/** More are forgotten, oldest first. */
const mostStrikes = 10_000

interface Walk {
  of: Faults
  facts: Facts
  isOver: boolean
}

/**
 * What a transaction is for; a timer that a request has set remembers it when it is over. One for all
 * servers: until Node 24 every promise of the process is told of every storage that was ever entered.
 */
const walks = new AsyncLocalStorage<Walk>()

type Kind = FaultKind['kind']
const beforeAll: readonly Kind[] = ['connection_reset', 'rate_limited', 'error', 'request_delayed']
const afterAll: readonly Kind[] = ['answer_delayed', 'answer_lost']

export class Faults {
  /** Of the server that is running: one that was stopped holds nobody any more. */
  held: Held
  readonly #clock: Clock
  readonly #faults: Fault[] = []
  readonly #strikes: Strike[] = []

  constructor(clock: Clock) {
    this.#clock = clock
    this.held = new Held(clock)
  }

  /**
   * @throws 400 M_INVALID_PARAM, M_MISSING_PARAM it is no fault, there is no such endpoint, or nothing of
   *   this kind can happen there
   */
  add(given: FaultOptions): Fault {
    const options = parse(faultInOurs, given, 'fault') as unknown as FaultOptions
    const { count = 1, skip = 0, endpoint } = options
    if (endpoint === firing && options.kind !== 'serialisation_failure') {
      throw invalidParam(`endpoint: ${firing} is no request; only its COMMIT can fail`)
    }
    if (endpoint !== undefined && !isEndpoint(endpoint, endpoints)) {
      throw invalidParam(`endpoint: this server has no ${endpoint}`)
    }
    const fault = { id: `fault_${randomLetters(8)}`, options, left: count, skip }
    this.#faults.push(fault)
    return fault
  }

  /** @returns whether there was one */
  remove(id: string): boolean {
    const at = this.#faults.findIndex(fault => fault.id === id)
    if (at === -1) return false
    this.#faults.splice(at, 1)
    return true
  }

  /** No more faults, and no record of those that struck. Whoever is held by one goes on. */
  clear(): void {
    this.#faults.length = 0
    this.#strikes.length = 0
    this.held.release()
  }

  /** In the order in which they were added; also those that will not strike any more. */
  list(): readonly Fault[] {
    return this.#faults
  }

  /** Oldest first. */
  strikes(): readonly Strike[] {
    return this.#strikes
  }

  /** What stands between the requests of a server and their answers. */
  around(ctx: Context): Around {
    const held = new Held(this.#clock)
    this.held = held
    return (endpoint, request, response, act) => {
      const isUntouched = endpoint.auth === 'lab' || !this.#faults.some(isArmed)
      return isUntouched
        ? act.answer()
        : this.#walk({ ctx, held }, endpoint, request, response, act)
    }
  }

  async #walk(
    { ctx, held }: { ctx: Context; held: Held },
    endpoint: Endpoint,
    request: Request,
    response: Response,
    act: Act,
  ): Promise<Answer | undefined> {
    const facts = await factsOf(ctx, endpoint, request, response)
    const before = this.#claim(beforeAll, facts)?.options
    if (before?.kind === 'request_delayed') {
      await held.wait(before.delayMs, response)
      if (response.destroyed) return undefined
      // Whoever moved the clock so far waits until it is done, or waits for the clock again.
      ctx.notifier.begin(act.signal)
    } else if (before) {
      answerInstead(response, before)
      return undefined
    }

    const walk: Walk = { of: this, facts, isOver: false }
    let outcome: { answer: Answer } | { refusal: unknown }
    try {
      outcome = { answer: await walks.run(walk, () => act.answer()) }
    } catch (refusal) {
      outcome = { refusal }
    }
    walk.isOver = true
    // What was refused has committed nothing: there is no such answer that could be lost.
    const late = this.#claim('answer' in outcome ? afterAll : ['answer_delayed'], facts)?.options
    if (late?.kind === 'answer_lost') {
      response.destroy()
      return undefined
    }
    if (late?.kind === 'answer_delayed') await held.wait(late.delayMs, response)
    if ('refusal' in outcome) throw outcome.refusal
    return response.destroyed ? undefined : outcome.answer
  }

  /** The last thing before every COMMIT of a server. */
  async beforeCommit(tx: Tx): Promise<void> {
    if (!this.#faults.some(one => isArmed(one) && one.options.kind === 'serialisation_failure'))
      return
    const walk = walks.getStore()
    const touched = await selectWrittenBy(tx)
    const isInRequest = walk?.of === this && !walk.isOver
    // What else a server does of its own accord is nobody's, and no scope tells it apart.
    if (!isInRequest && !touched.some(one => one.is_over)) return
    const facts = isInRequest
      ? walk.facts
      : { endpoint: firing, userIds: [], roomIds: [], delayIds: [] }
    if (this.#claim(['serialisation_failure'], ...withTouched(facts, touched)))
      await failToSerialise(tx)
  }

  /** The first fault of these kinds that is for one of these, if there is one: it has struck. */
  #claim(kinds: readonly Kind[], ...anyOf: readonly Facts[]): Fault | undefined {
    for (const fault of this.#faults) {
      if (!isArmed(fault) || !kinds.includes(fault.options.kind)) continue
      const facts = anyOf.find(one => fits(fault.options, one))
      if (!facts) continue
      if (fault.skip > 0) {
        fault.skip -= 1
        continue
      }
      if (fault.left !== null) fault.left -= 1
      this.#record(fault, facts)
      return fault
    }
    return undefined
  }

  #record({ id, options }: Fault, { endpoint, userIds, roomIds, delayIds }: Facts): void {
    this.#strikes.push({
      faultId: id,
      kind: options.kind,
      ts: this.#clock.now(),
      endpoint: asSpecified(endpoint),
      // Of several, the one that it was for.
      userId: options.userId ?? userIds[0],
      roomId: options.roomId ?? roomIds[0],
      delayId: options.delayId ?? delayIds[0],
    })
    if (this.#strikes.length > mostStrikes) this.#strikes.shift()
  }
}

const isArmed = ({ left }: Fault) => left === null || left > 0
