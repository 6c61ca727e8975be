/**
 * An endpoint is a declaration: where it is, who may call it, what it reads, what it does. The
 * order of checks is the same for all: route → method → token → stored answer → rate limit → input →
 * handler.
 */
import type { Request, RequestHandler, Response } from 'express'
import type { z } from 'zod'
import type { Config } from '../config.ts'
import type { Context } from '../context.ts'
import type { JsonObject } from '../lib/json.ts'
import { guestAccessForbidden } from '../matrix/errors.ts'
import { type Answer, send } from './answer.ts'
import { assertLabToken, authenticate } from './authenticate.ts'
import { readJson } from './body.ts'
import { type Act, Acting, Asked, type Auth, type Call, Ending, type Method } from './call.ts'
import { refuseDelays } from './delays-not-understood.ts'
import { mayGuest } from './guest-access.ts'
import { countRequest, limitOf } from './rate-limited.ts'
import { parse } from './schemas.ts'

export type { Request, Response }

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
  /** Also those may call it whose account is locked. */
  evenIfLocked?: boolean
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
    const requester = isNobody
      ? undefined
      : await authenticate(ctx, request, auth, declaration.evenIfLocked)
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
      return result === undefined ? undefined : send(response, result)
    },
  }
  return self
}

/** The members that a schema names; none if it takes any object. */
function namesIn(schema: z.ZodType | undefined): string[] {
  return Object.keys((schema as { shape?: object } | undefined)?.shape ?? {})
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
