/**
 * Speaking to a push gateway.
 *
 * Spec: Push Gateway API, POST /_matrix/push/v1/notify
 */
import type { Clock } from '../lib/clock.ts'
import { isJsonObject, type JsonObject } from '../lib/json.ts'

/** A gateway that has not answered by then is asked again later. */
const patienceMs = 30_000

/**
 * @returns the pushkeys that the gateway does not want to hear of again
 * @throws if it cannot be reached, or refuses
 */
export async function notifyGateway(
  clock: Clock,
  url: string,
  notification: JsonObject,
  signal: AbortSignal,
): Promise<string[]> {
  const timeout = new AbortController()
  const timer = clock.timer(clock.now() + patienceMs, () => timeout.abort())
  try {
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ notification }),
      // A gateway is where its user has said, and nowhere else.
      redirect: 'error',
      signal: AbortSignal.any([timeout.signal, signal]),
    })
    const answer: unknown = await response.json().catch(() => undefined)
    if (!response.ok) throw new Error(`the push gateway answered ${response.status}`)
    const rejected = isJsonObject(answer) ? answer.rejected : undefined
    return Array.isArray(rejected) ? rejected.filter(key => typeof key === 'string') : []
  } finally {
    timer.cancel()
  }
}
