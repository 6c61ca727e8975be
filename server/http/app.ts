/** The chain of a request on one screen. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import express, { type Express, type Handler, type Request, type Response } from 'express'
import type { Context } from '../context.ts'
import { addressRanges } from '../lib/address-ranges.ts'
import { methodNotAllowed, unrecognized } from '../matrix/errors.ts'
import { sendJson } from './answer.ts'
import { corsHeaders } from './cors.ts'
import type { Around, Endpoint } from './endpoint.ts'
import { errorHandler } from './error-handler.ts'
import { listenerOf } from './messages.ts'
import { countRequests, metricsHandler } from './metrics.ts'
import { isUnserved, unservedPaths } from './unserved-paths.ts'

function allowBrowsers(response: Response): void {
  for (const [name, value] of Object.entries(corsHeaders)) response.setHeader(name, value)
}

const underR0 = ['/_matrix/client/r0/', '/_matrix/media/r0/']

/** What is done with every request. In one step: to go from one to the next costs express more. */
function first(ctx: Context): Handler {
  const count = countRequests(ctx)
  const log = ctx.log.isLevelEnabled('debug') ? logRequests(ctx) : undefined
  return (request, response, next) => {
    allowBrowsers(response)
    if (request.method === 'OPTIONS') {
      response.status(204).end()
      return
    }
    count(request, response)
    log?.(request, response)
    // The old name of v3; matrix-bot-sdk and Complement still use it.
    if (underR0.some(prefix => request.url.startsWith(prefix))) {
      request.url = request.url.replace('/r0/', '/v3/')
    }
    next()
  }
}

const logRequests =
  (ctx: Context) =>
  (request: Request, response: Response): void => {
    const startedAt = ctx.clock.now()
    response.once('close', () => {
      ctx.log.debug(
        {
          method: request.method,
          // The pattern, not the path: a path may hold a delay_id.
          route: request.route?.path ?? 'unknown',
          status: response.statusCode,
          ms: ctx.clock.now() - startedAt,
        },
        'request',
      )
    })
  }

/** @param around what stands between requests and their answers; the laboratory's */
export function makeApp(ctx: Context, endpoints: readonly Endpoint[], around?: Around) {
  const app = express()
  app.disable('x-powered-by')
  app.disable('etag')
  app.set('query parser', false)
  app.set('case sensitive routing', true)
  const trustedProxies = addressRanges(ctx.config.trusted_proxies)
  app.set('trust proxy', (address: string) => trustedProxies.has(address))

  app.all('/metrics', metricsHandler(ctx))
  app.use(first(ctx))
  const served = inOrderOfUse(endpoints).filter(({ servedIf }) => servedIf?.(ctx.config) ?? true)
  mount(app, ctx, served, around)
  mountUnserved(app)
  app.use(() => {
    throw unrecognized()
  })
  app.use(errorHandler(ctx))
  const listener = listenerOf(app)
  return (request: IncomingMessage, response: ServerResponse) =>
    listener(request, response, () => unroutable(response as Response))
}

/** `GET http://[` has no path, so express runs none of the above; left alone, it answers in HTML. */
function unroutable(response: Response): void {
  allowBrowsers(response)
  sendJson(response, 404, unrecognized().toJSON())
}

/** Express tries one path after the other. These are asked for more often than all others together. */
const busiest = [
  '/_matrix/client/v3/rooms/:roomId/send/:eventType/:txnId',
  '/_matrix/client/v3/sync',
  '/_matrix/client/unstable/org.matrix.msc4140/delayed_events/:delayId/restart',
]

const inOrderOfUse = (endpoints: readonly Endpoint[]): Endpoint[] => {
  const isBusy = ({ paths }: Endpoint) => paths.some(path => busiest.includes(path))
  return [...endpoints.filter(isBusy), ...endpoints.filter(endpoint => !isBusy(endpoint))]
}

/** One express route for each path, with 405 for the methods that it does not have. */
function mount(
  app: Express,
  ctx: Context,
  endpoints: readonly Endpoint[],
  around: Around | undefined,
): void {
  const byPath = new Map<string, Endpoint[]>()
  for (const endpoint of endpoints) {
    for (const path of endpoint.paths) byPath.set(path, [...(byPath.get(path) ?? []), endpoint])
  }
  for (const [path, ofPath] of byPath) {
    const route = app.route(path)
    for (const endpoint of ofPath) {
      const method = endpoint.method.toLowerCase() as 'get' | 'post' | 'put' | 'delete'
      route[method](endpoint.run(ctx, around))
    }
    route.all(({ method }) => {
      throw isUnserved(path, method) ? unrecognized() : methodNotAllowed()
    })
  }
}

/** Below what is served, so that a path that has come to be served is not hidden. */
function mountUnserved(app: Express): void {
  for (const path of Object.keys(unservedPaths)) {
    app.route(path).all(({ method }) => {
      throw isUnserved(path, method) ? unrecognized() : methodNotAllowed()
    })
  }
}
