/** Requests that we make to an application service. */

import type { AppService } from '../matrix/app-service.ts'
import type { Context } from './context.ts'

/** It could not be reached, or did not answer in time; the message is safe to show. */
export class Unreachable extends Error {
  readonly isTimeout: boolean

  constructor(isTimeout: boolean) {
    super(isTimeout ? 'The application service did not answer in time' : 'No connection to it')
    this.isTimeout = isTimeout
  }
}

const patienceMs = 30_000

/**
 * Ask the service at a path of the Application Service API; where it does not know that, at the
 * path that the drafts had.
 *
 * @param path after `/_matrix/app/v1`
 * @param body JSON
 * @param signal ends the attempt; unless given, the server's end does
 * @returns the answer, whatever its status
 * @throws Unreachable, also when `signal` aborts
 */
export async function callAppService(
  ctx: Context,
  service: AppService & { url: string },
  request: { method: string; path: string; body?: string; signal?: AbortSignal },
): Promise<{ status: number; text: string }> {
  const answer = await send(ctx, service, `/_matrix/app/v1${request.path}`, request)
  const isUnknown = answer.status === 404 || answer.status === 405
  if (!isUnknown || request.path === '/ping') return answer
  const older = await send(ctx, service, request.path, request)
  return older.status < 300 ? older : answer
}

async function send(
  ctx: Context,
  service: AppService & { url: string },
  path: string,
  { method, body, signal = ctx.stopping }: { method: string; body?: string; signal?: AbortSignal },
): Promise<{ status: number; text: string }> {
  const controller = new AbortController()
  const abort = () => controller.abort()
  let isTimeout = false
  const timer = ctx.clock.timer(ctx.clock.now() + patienceMs, () => {
    isTimeout = true
    abort()
  })
  signal.addEventListener('abort', abort)
  try {
    signal.throwIfAborted()
    const response = await fetch(`${service.url}${path}`, {
      method,
      headers: {
        Authorization: `Bearer ${service.hsToken}`,
        ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body }),
      redirect: 'manual',
      signal: controller.signal,
    })
    return { status: response.status, text: await response.text() }
  } catch {
    throw new Unreachable(isTimeout)
  } finally {
    timer.cancel()
    signal.removeEventListener('abort', abort)
  }
}
