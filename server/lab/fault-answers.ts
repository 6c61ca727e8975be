/** What a client gets instead of what it asked for. */
import { sendBytes, sendJson } from '../http/answer.ts'
import type { Response } from '../http/endpoint.ts'
import { reset } from '../http/listen.ts'
import { limitExceeded, MatrixError, unknown } from '../matrix/errors.ts'
import type { FaultKind } from './fault.ts'

/** Answer it, or see to it that nobody will. */
export function answerInstead(response: Response, fault: FaultKind): void {
  switch (fault.kind) {
    case 'connection_reset':
      reset(response)
      return
    case 'rate_limited': {
      const { retryAfterMs, retryAfter } = fault
      const seconds = retryAfterMs === undefined ? null : String(Math.ceil(retryAfterMs / 1000))
      const header = retryAfter === undefined ? seconds : retryAfter
      if (header !== null) response.setHeader('Retry-After', header)
      const refusal =
        retryAfterMs === undefined
          ? new MatrixError(429, 'M_LIMIT_EXCEEDED', 'Too many requests')
          : limitExceeded(retryAfterMs)
      sendJson(response, 429, refusal.toJSON())
      return
    }
    case 'error':
      if (fault.body === undefined) {
        sendJson(response, fault.status, unknown('The laboratory broke this').toJSON())
      } else sendBytes(response, fault.status, 'text/html', fault.body)
      return
    default:
      return
  }
}
