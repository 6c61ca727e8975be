/** What a handler is given, and when the request that it answers is over. */
import type { Request, Response } from 'express'
import type { Tx } from '../../db/transaction.ts'
import type { AnswerKey } from '../../db/transaction-ids.ts'
import { type OnceTogether, once } from '../accounts/once.ts'
import type { Context } from '../context.ts'
import type { JsonObject } from '../lib/json.ts'
import type { Requester } from '../requester.ts'
import type { Answer } from './answer.ts'
import { networkOf } from './client-address.ts'

export type Method = 'GET' | 'POST' | 'PUT' | 'DELETE'

/**
 * `admin`: an administrator, or whoever has the token of the data directory. `lab`: who may hold the
 * laboratory; they are no user.
 */
export type Auth = 'user' | 'admin' | 'optional' | 'none' | 'lab'

/** What a handler is given; everything in it has been checked. */
export interface Call<A extends Auth, P, Q, B> {
  ctx: Context
  requester: A extends 'user' | 'admin'
    ? Requester
    : A extends 'optional'
      ? Requester | undefined
      : undefined
  /** Where it comes from, as limits count it. */
  address: string
  params: P
  query: Q
  body: B
  /** Ends when the client hangs up, or when the handler has returned. */
  signal: AbortSignal
  /** Also a stream, for the rare body that is not JSON: it is read by nobody else then. */
  request: Request
  /**
   * Run `action` in a transaction together with storing its answer, so that the same request again
   * gets the same answer and does nothing. Only for endpoints that are `idempotent`.
   */
  once<T extends JsonObject>(action: (tx: Tx) => Promise<T>): Promise<T>
  /** As `once`, in a transaction together with other requests of the kind. */
  onceTogether<In, T extends JsonObject>(others: OnceTogether<In, T>, input: In): Promise<T>
}

/** What a request asks for. */
export interface Act {
  /** Do it, once. */
  answer(): Promise<Answer>
  /** Ends when the client hangs up, or when it is done. */
  readonly signal: AbortSignal
}

/** Made once: without a reason every signal makes one, and finds out where in the program it is. */
const over = new DOMException('The request is over', 'AbortError')

/** The end of a request. Few ask for the signal, and to make and end one costs as much as a query. */
export class Ending {
  readonly #response: Response
  #controller: AbortController | undefined
  #isOver = false

  constructor(response: Response) {
    this.#response = response
  }

  get signal(): AbortSignal {
    if (!this.#controller) {
      this.#controller = new AbortController()
      if (this.#isOver || this.#response.destroyed) this.#controller.abort(over)
      else this.#response.once('close', () => this.end())
    }
    return this.#controller.signal
  }

  end(): void {
    this.#isOver = true
    this.#controller?.abort(over)
  }
}

/**
 * These two are classes, not literals: each literal with a getter gets a hidden class of its own, which
 * lives, with all that it leads to, until the next full collection (decision 80).
 */
export class Acting implements Act {
  readonly #run: () => Promise<Answer>
  readonly #ending: Ending

  constructor(run: () => Promise<Answer>, ending: Ending) {
    this.#run = run
    this.#ending = ending
  }

  async answer(): Promise<Answer> {
    try {
      return await this.#run()
    } finally {
      // Not when it has been answered: what holds the answer back is no work of the request.
      this.#ending.end()
    }
  }

  get signal(): AbortSignal {
    return this.#ending.signal
  }
}

interface Given {
  ctx: Context
  requester: Requester | undefined
  params: unknown
  query: unknown
  body: unknown
  request: Request
  ending: Ending
  /** Of the stored answer; undefined unless the endpoint is idempotent. */
  key: AnswerKey | undefined
}

export class Asked implements Call<Auth, unknown, unknown, unknown> {
  readonly ctx: Context
  readonly requester: Requester | undefined
  readonly params: unknown
  readonly query: unknown
  readonly body: unknown
  readonly request: Request
  readonly #ending: Ending
  readonly #key: AnswerKey | undefined

  constructor({ ctx, requester, params, query, body, request, ending, key }: Given) {
    this.ctx = ctx
    this.requester = requester
    this.params = params
    this.query = query
    this.body = body
    this.request = request
    this.#ending = ending
    this.#key = key
  }

  get address(): string {
    return networkOf(this.request)
  }

  get signal(): AbortSignal {
    return this.#ending.signal
  }

  // Handlers take these two out of the call.
  readonly once = <T extends JsonObject>(action: (tx: Tx) => Promise<T>): Promise<T> => {
    if (!this.#key) throw new Error(`${this.request.route?.path} is not idempotent`)
    return once(this.ctx, this.#key, action)
  }

  readonly onceTogether = <In, T extends JsonObject>(
    others: OnceTogether<In, T>,
    input: In,
  ): Promise<T> => others.do(this.#key, input)
}
