/** `GET /metrics`, for Prometheus. Not part of Matrix: no CORS, so that no web page can read it. */
import type { Handler, Request, Response } from 'express'
import type { Context } from '../context.ts'
import { addressRanges } from '../lib/address-ranges.ts'
import { forbidden, methodNotAllowed } from '../matrix/errors.ts'
import { addressOf } from './client-address.ts'

/** @throws 403 M_FORBIDDEN unless the config lets that address read them */
export function metricsHandler(ctx: Context): Handler {
  const readers = addressRanges(ctx.config.metrics_allowed_from)
  return async (request, response) => {
    if (request.method !== 'GET' && request.method !== 'HEAD') throw methodNotAllowed()
    if (isFromElsewhere(request) || !readers.has(addressOf(request))) {
      throw forbidden('The metrics are not for everybody: see metrics_allowed_from')
    }
    const { contentType, text } = await ctx.metrics.write()
    response.writeHead(200, { 'Content-Type': contentType }).end(text)
  }
}

/** It came through a proxy that is not trusted: the address is the proxy's, whoever is asking. */
function isFromElsewhere({ headers, ips }: Request): boolean {
  const { forwarded, 'x-forwarded-for': forwardedFor } = headers
  return ips.length === 0 && (forwarded !== undefined || forwardedFor !== undefined)
}

/** Count every request with the time it took, under its pattern: a path may hold a delay_id. */
export function countRequests(ctx: Context): (request: Request, response: Response) => void {
  return (request, response) => {
    const startedAt = ctx.clock.now()
    response.once('close', () => {
      ctx.metrics.answered({
        method: request.method,
        endpoint: request.route?.path ?? 'unknown',
        status: response.statusCode,
        tookMs: ctx.clock.now() - startedAt,
      })
    })
  }
}
