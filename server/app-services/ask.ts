/** Asking a service something while a client waits. Spec: Application Service API "Querying" */
import { selectUser } from '../../db/accounts.ts'
import { selectAlias } from '../../db/rooms.ts'
import { type AppService, covers } from '../matrix/app-service.ts'
import { forbidden, MatrixError } from '../matrix/errors.ts'
import { domainOf } from '../matrix/ids.ts'
import type { Requester } from '../requester.ts'
import { callAppService, Unreachable } from './call.ts'
import type { Context } from './context.ts'

/**
 * Where nobody here knows an alias, the services whose namespaces hold it may make it now.
 *
 * @throws 408 M_UNKNOWN one of them cannot be reached
 */
export async function askForAlias(ctx: Context, roomIdOrAlias: string): Promise<void> {
  const services = servicesWith(ctx, 'aliases', roomIdOrAlias)
  if (services.length === 0 || (await selectAlias(ctx.db, roomIdOrAlias))) return
  await askInTurn(ctx, services, `/rooms/${encodeURIComponent(roomIdOrAlias)}`)
}

/** As {@link askForAlias}, for a user who is about to be invited. */
export async function askForUser(ctx: Context, userId: string): Promise<void> {
  const services = servicesWith(ctx, 'users', userId)
  if (services.length === 0 || (await selectUser(ctx.db, userId))) return
  await askInTurn(ctx, services, `/users/${encodeURIComponent(userId)}`)
}

type Reachable = AppService & { url: string }

function servicesWith(ctx: Context, kind: 'users' | 'aliases', id: string): Reachable[] {
  if (domainOf(id) !== ctx.config.server_name) return []
  return ctx.appServices.all.filter(
    (service): service is Reachable => service.url !== undefined && covers(service[kind], id),
  )
}

const attempts = 3

/** Until one of them says that it has made what was asked for. */
async function askInTurn(ctx: Context, services: Reachable[], path: string): Promise<void> {
  for (const service of services) {
    for (let attempt = 1; ; attempt++) {
      try {
        const { status } = await callAppService(ctx, service, { method: 'GET', path })
        if (status === 200) return
        break
      } catch (error) {
        if (!(error instanceof Unreachable)) throw error
        ctx.log.warn({ app_service: service.id, attempt }, 'application service not reached')
        const isLast = attempt === attempts || ctx.stopping.aborted
        if (isLast) throw new MatrixError(408, 'M_UNKNOWN', error.message)
      }
    }
  }
}

/**
 * See whether we can reach the service that asks.
 *
 * @returns `{ duration_ms }`
 * @throws 403 M_FORBIDDEN unless it is that service · 400 M_URL_NOT_SET · 502 M_BAD_STATUS,
 *   M_CONNECTION_FAILED · 504 M_CONNECTION_TIMEOUT
 * Spec: POST /appservice/{appserviceId}/ping
 */
export async function ping(
  ctx: Context,
  requester: Requester,
  appServiceId: string,
  transactionId: string | undefined,
): Promise<{ duration_ms: number }> {
  const service = requester.appService
  if (service?.id !== appServiceId) throw forbidden('Only that application service may ask')
  const { url } = service
  if (url === undefined) throw new MatrixError(400, 'M_URL_NOT_SET', 'It has no url')
  const startedAt = ctx.clock.now()
  const answer = await callAppService(
    ctx,
    { ...service, url },
    {
      method: 'POST',
      path: '/ping',
      body: JSON.stringify(transactionId === undefined ? {} : { transaction_id: transactionId }),
    },
  ).catch(error => {
    if (!(error instanceof Unreachable)) throw error
    throw error.isTimeout
      ? new MatrixError(504, 'M_CONNECTION_TIMEOUT', error.message)
      : new MatrixError(502, 'M_CONNECTION_FAILED', error.message)
  })
  if (answer.status < 200 || answer.status > 299) {
    const { status, text } = answer
    throw new MatrixError(502, 'M_BAD_STATUS', `It answered ${status}`, { status, body: text })
  }
  return { duration_ms: ctx.clock.now() - startedAt }
}
