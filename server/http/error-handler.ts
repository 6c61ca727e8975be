/** Anything thrown becomes `{ errcode, error }`; the only place that renders an error. */
import type { ErrorRequestHandler } from 'express'
import type { Context } from '../context.ts'
import { randomToken } from '../lib/random.ts'
import {
  badJson,
  invalidParam,
  MatrixError,
  notFound,
  notJson,
  tooLarge,
  unknown,
} from '../matrix/errors.ts'
import { sendJson } from './answer.ts'

export function errorHandler(ctx: Context): ErrorRequestHandler {
  return (error, request, response, _next) => {
    if (response.headersSent || response.destroyed) {
      response.destroy()
      return
    }
    const refusal = error instanceof MatrixError ? error : refusalOf(error)
    if (refusal) {
      const retryAfterMs = refusal.fields.retry_after_ms
      if (typeof retryAfterMs === 'number') {
        response.setHeader('Retry-After', String(Math.ceil(retryAfterMs / 1000)))
      }
      sendJson(response, refusal.status, refusal.toJSON())
      return
    }
    // A bug or a broken world: the details go to the log, the client gets a number to quote.
    const requestId = randomToken(6)
    const { message, stack, code } = error as { message?: string; stack?: string; code?: string }
    ctx.log.error(
      { request_id: requestId, method: request.method, route: request.route?.path, code, stack },
      message ?? 'something that is not an Error was thrown',
    )
    response.setHeader('X-Request-Id', requestId)
    sendJson(response, 500, unknown('Internal server error').toJSON())
  }
}

/** What express and its body reader throw, in the protocol's words. */
function refusalOf(error: {
  type?: string
  status?: number
  code?: string
}): MatrixError | undefined {
  switch (error.type) {
    case 'entity.too.large':
      return tooLarge('The body is too large')
    case 'request.aborted':
    case 'request.size.invalid':
      return badJson('The body is shorter than its Content-Length')
    case 'encoding.unsupported':
      return notJson('That content encoding is not supported')
    default:
  }
  if (error instanceof URIError) return invalidParam('The path is not percent-encoded UTF-8')
  if (error.status === 416) return unknown('The file has no such range', 416)
  if (error.code === 'ENOENT') return notFound('That file is gone')
  // A broken gzip stream, for instance: the client's doing, in express's numbering.
  if (error.status && error.status >= 400 && error.status < 500) return notJson()
  return undefined
}
