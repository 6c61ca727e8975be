/**
 * Speaking to a push gateway.
 *
 * Spec: Push Gateway API, POST /_matrix/push/v1/notify
 */

import { requestPublic } from '../lib/fetch-public.ts'
import { isJsonObject, type JsonObject, type JsonValue } from '../lib/json.ts'
import type { Context } from './context.ts'

/** A gateway that has not answered by then is asked again later. */
const patienceMs = 30_000
/** Longer answers are not read: a gateway has only the pushkey to name. */
const maxAnswerBytes = 65_536

/**
 * The user has named the gateway, so it must be where anybody may reach, unless the config says that
 * gateways of one's own network are in use.
 *
 * @returns the pushkeys that the gateway does not want to hear of again
 * @throws if it cannot be reached, or refuses
 */
export async function notifyGateway(
  ctx: Context,
  url: string,
  notification: JsonObject,
  signal: AbortSignal,
): Promise<string[]> {
  const timeout = new AbortController()
  const timer = ctx.clock.timer(ctx.clock.now() + patienceMs, () => timeout.abort())
  const body = JSON.stringify({ notification })
  try {
    const response = await requestPublic(new URL(url), {
      method: 'POST',
      headers: {
        'Content-Type': 'application/json',
        'Content-Length': String(Buffer.byteLength(body)),
      },
      body,
      allowPrivate: ctx.config.push.allow_private_addresses,
      signal: AbortSignal.any([timeout.signal, signal]),
    })
    const answer = await read(response)
    const { statusCode = 0 } = response
    if (statusCode < 200 || statusCode > 299) {
      throw new Error(`the push gateway answered ${statusCode}`)
    }
    const rejected = isJsonObject(answer) ? answer.rejected : undefined
    return Array.isArray(rejected) ? rejected.filter(key => typeof key === 'string') : []
  } finally {
    timer.cancel()
  }
}

/** Undefined if it is not JSON, or too long to be an answer of a gateway. */
async function read(response: AsyncIterable<Buffer>): Promise<JsonValue | undefined> {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of response) {
    chunks.push(chunk)
    length += chunk.length
    if (length > maxAnswerBytes) return undefined
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString())
  } catch {
    return undefined
  }
}
