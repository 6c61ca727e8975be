/**
 * An endpoint is a declaration: where it is, who may call it, what it reads, what it does. The
 * order of checks is the same for all: route → method → token → stored answer → rate limit → input →
 * handler.
 */
import type { Request, RequestHandler, Response } from 'express'
import type { z } from 'zod'
import type { Tx } from '../../db/transaction.ts'
import type { AnswerKey } from '../../db/transaction-ids.ts'
import { type OnceTogether, once } from '../accounts/once.ts'
import type { Requester } from '../accounts/requester.ts'
import type { Config } from '../config.ts'
import type { Context } from '../context.ts'
import type { JsonObject, JsonValue } from '../lib/json.ts'
import { guestAccessForbidden } from '../matrix/errors.ts'
import { assertLabToken, authenticate } from './authenticate.ts'
import { readJson } from './body.ts'
import { networkOf } from './client-address.ts'
import { refuseDelays } from './delays-not-understood.ts'
import { mayGuest } from './guest-access.ts'
import { countRequest, limitOf } from './rate-limited.ts'
import { parse } from './schemas.ts'

export type { Request, Response }
export type Method = 'GET' | 'POST' | 'PUT' | 'DELETE'
/**
 * `admin`: an administrator, or whoever has the token of the data directory. `lab`: who may hold the
 * laboratory; they are no user.
 */
type Auth = 'user' | 'admin' | 'optional' | 'none' | 'lab'

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

/** What a handler returns for the rare answer that is not JSON. */
export class TextAnswer {
  readonly text: string

  constructor(text: string) {
    this.text = text
  }
}

/** For the rare success that is not 200. */
export class JsonAnswer {
  readonly status: number
  readonly body: JsonValue

  constructor(status: number, body: JsonValue) {
    this.status = status
    this.body = body
  }
}

/** A file on disk, which is streamed: whole, or the range that is asked for. */
export class FileAnswer {
  readonly folder: string
  /** Relative to the folder. */
  readonly path: string
  readonly headers: Readonly<Record<string, string>>

  constructor(folder: string, path: string, headers: Readonly<Record<string, string>>) {
    this.folder = folder
    this.path = path
    this.headers = headers
  }
}

export type Answer = JsonValue | JsonAnswer | TextAnswer | FileAnswer

/** What a request asks for. */
export interface Act {
  /** Do it, once. */
  answer(): Promise<Answer>
  /** Ends when the client hangs up, or when it is done. */
  readonly signal: AbortSignal
}

/**
 * Stands between a request and its answer, where the laboratory puts its faults.
 *
 * @returns what to answer; undefined: somebody has answered, or nobody will
 */
export type Around = (
  endpoint: Endpoint,
  request: Request,
  response: Response,
  act: Act,
) => Promise<Answer | undefined>

interface Declaration<
  A extends Auth,
  P extends z.ZodType,
  Q extends z.ZodType,
  B extends z.ZodType,
> {
  method: Method
  /** One path or several, in express's notation. `r0` is served as `v3` without being named. */
  path: string | readonly string[]
  /** Where the specification, or which MSC, describes it. */
  spec: string
  auth: A
  params?: P
  query?: Q
  /** Parameters of the query that may be there several times: the schema gets them as a list. */
  repeatable?: readonly string[]
  body?: B
  /** Takes no body as `{}`: js-sdk sends several POSTs with neither body nor content type. */
  bodyOptional?: boolean
  /** The answer is kept by user, device and path, and given again before the body is read. */
  idempotent?: boolean
  /** Undefined: always. Where it is not served there is no such path: 404 M_UNRECOGNIZED. */
  servedIf?: (config: Config) => boolean
  /** Add to an answer what must not be stored with it; also to one that is given again. */
  complete?: (ctx: Context, answer: JsonObject) => JsonObject
  handle(call: Call<A, z.infer<P>, z.infer<Q>, z.infer<B>>): Promise<Answer> | Answer
}

/** What `http/app.ts` mounts. */
export interface Endpoint {
  method: Method
  paths: readonly string[]
  spec: string
  auth: Auth
  hasBody: boolean
  idempotent: boolean
  servedIf: ((config: Config) => boolean) | undefined
  /** The parameters of the query, and the members of the body, that it reads by name. */
  queryNames: readonly string[]
  bodyNames: readonly string[]
  run(ctx: Context, around?: Around): RequestHandler
}

export function endpoint<
  const A extends Auth,
  P extends z.ZodType = z.ZodUndefined,
  Q extends z.ZodType = z.ZodUndefined,
  B extends z.ZodType = z.ZodUndefined,
>(declaration: Declaration<A, P, Q, B>): Endpoint {
  const { method, path, spec, auth, params, query, body, repeatable = [] } = declaration
  const paths = typeof path === 'string' ? [path] : path
  const limit = limitOf(method, paths[0] ?? '')
  const queryNames = namesIn(query)
  const complete = declaration.complete ?? ((_, given) => given)

  async function answer(
    ctx: Context,
    request: Request,
    response: Response,
    ending: Ending,
  ): Promise<Answer> {
    if (auth === 'lab') assertLabToken(ctx, request)
    const isNobody = auth === 'none' || auth === 'lab'
    const requester = isNobody ? undefined : await authenticate(ctx, request, auth)
    if (requester?.isGuest && !mayGuest(method, request.path)) {
      throw guestAccessForbidden('Guests may not do that')
    }
    const key = requester && {
      userId: requester.userId,
      deviceId: requester.deviceId,
      path: `${method} ${paths[0]} ${JSON.stringify(request.params)}`,
    }
    if (declaration.idempotent && key) {
      const answered = await ctx.answers.find(key)
      if (answered) return complete(ctx, answered)
    }
    if (limit) countRequest(ctx, limit, request, requester)
    const given = queryOf(request, repeatable)
    if (method !== 'GET') refuseDelays(Object.keys(given), queryNames)
    const call = new Asked({
      ctx,
      requester,
      params: params && parse(params, request.params, 'path'),
      query: query && parse(query, given, 'query'),
      body:
        body &&
        parse(body, await readJson(ctx, request, response, declaration.bodyOptional), 'body'),
      request,
      ending,
      key: declaration.idempotent ? key : undefined,
    })
    const result = await declaration.handle(
      call as unknown as Call<A, z.infer<P>, z.infer<Q>, z.infer<B>>,
    )
    return declaration.complete ? complete(ctx, result as JsonObject) : result
  }

  const self: Endpoint = {
    method,
    paths,
    spec,
    auth,
    hasBody: body !== undefined,
    idempotent: declaration.idempotent ?? false,
    servedIf: declaration.servedIf,
    queryNames,
    bodyNames: namesIn(body),
    run: (ctx, around) => async (request, response) => {
      const ending = new Ending(response)
      const act = new Acting(() => answer(ctx, request, response, ending), ending)
      const result = await (around ? around(self, request, response, act) : act.answer())
      if (result === undefined) return
      if (result instanceof TextAnswer) sendBytes(response, 200, 'text/plain', result.text)
      else if (result instanceof FileAnswer) await sendFile(response, result)
      else if (result instanceof JsonAnswer) sendJson(response, result.status, result.body)
      else sendJson(response, 200, result)
    },
  }
  return self
}

/** Made once: without a reason every signal makes one, and finds out where in the program it is. */
const over = new DOMException('The request is over', 'AbortError')

/** The end of a request. Few ask for the signal, and to make and end one costs as much as a query. */
class Ending {
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
class Acting implements Act {
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

class Asked implements Call<Auth, unknown, unknown, unknown> {
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

/** The members that a schema names; none if it takes any object. */
function namesIn(schema: z.ZodType | undefined): string[] {
  return Object.keys((schema as { shape?: object } | undefined)?.shape ?? {})
}

/** Exactly `application/json`: Complement compares the header as a whole. */
export function sendJson(response: Response, status: number, body: JsonValue): void {
  sendBytes(response, status, 'application/json', JSON.stringify(body))
}

/** With a length; a HEAD gets everything but the body. */
export function sendBytes(
  response: Response,
  status: number,
  contentType: string,
  text: string,
): void {
  const length = Buffer.byteLength(text)
  response.writeHead(status, { 'Content-Type': contentType, 'Content-Length': length })
  // As text it goes out together with the head, in one piece.
  response.end(response.req.method === 'HEAD' ? undefined : text)
}

/** Rejects if nothing has been sent; a client that hangs up on the way has what it wanted. */
function sendFile(response: Response, { folder, path, headers }: FileAnswer): Promise<void> {
  const options = { root: folder, headers, cacheControl: false, lastModified: false }
  return new Promise((resolve, reject) => {
    response.sendFile(path, options, error => {
      if (error && !response.destroyed) reject(error)
      else resolve()
    })
  })
}

/** The query as an object; of a parameter that is repeated and should not be, the first counts. */
function queryOf(
  request: Request,
  repeatable: readonly string[],
): Record<string, string | string[]> {
  const at = request.url.indexOf('?')
  const pairs = at === -1 ? [] : [...new URLSearchParams(request.url.slice(at + 1))]
  const values: Record<string, string | string[]> = Object.fromEntries(pairs.reverse())
  for (const name of repeatable) {
    if (Object.hasOwn(values, name)) {
      values[name] = pairs.flatMap(([key, value]) => (key === name ? value : []))
    }
  }
  return values
}
