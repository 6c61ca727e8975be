/** What is known of a request before anything is done for it. */
import { selectBySecret } from '../../db/delayed-event-groups.ts'
import { selectDelayedEvent } from '../../db/delayed-events.ts'
import type { Context } from '../context.ts'
import { tokenOf } from '../http/authenticate.ts'
import type { Endpoint, Request } from '../http/endpoint.ts'
import { hashSecret } from '../lib/random.ts'
import type { Facts } from './fault-scope.ts'

/** The parameters of paths that stand for a delayed event, in whichever dialect. */
const delayedEventParameters = ['delayId', 'futureId', 'token']

/** Looks only: a fault may strike before anything has been done. */
export async function factsOf(
  ctx: Context,
  { method }: Endpoint,
  request: Request,
): Promise<Facts> {
  const requester = await userBehind(ctx, request)
  const params = request.params as Record<string, string | undefined>
  const delayedEvent = await delayedEventIn(ctx, params)
  const known = (...values: (string | undefined)[]) => values.filter(value => value !== undefined)
  return {
    endpoint: `${method} ${request.route?.path}`,
    userIds: known(requester, delayedEvent?.user_id),
    roomIds: known(params.roomId, params.roomIdOrAlias, delayedEvent?.room_id),
    delayIds: known(delayedEvent?.delay_id),
  }
}

async function userBehind(ctx: Context, request: Request): Promise<string | undefined> {
  const token = tokenOf(request)
  if (token === undefined) return undefined
  if (ctx.appServices.ofToken(token)) {
    return new URL(request.url, 'http://x').searchParams.get('user_id') ?? undefined
  }
  return (await ctx.sessions.do(hashSecret(token)))?.user_id
}

async function delayedEventIn(ctx: Context, params: Record<string, string | undefined>) {
  const name = delayedEventParameters.find(one => params[one] !== undefined)
  const value = name && params[name]
  if (!value) return undefined
  return (
    (await selectDelayedEvent(ctx.db, value)) ?? (await selectBySecret(ctx.db, hashSecret(value)))
  )
}
