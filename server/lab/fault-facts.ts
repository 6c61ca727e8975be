/** What is known of a request before anything is done for it. */
import { selectBySecret } from '../../db/delayed-event-groups.ts'
import { selectDelayedEvent } from '../../db/delayed-events.ts'
import type { Context } from '../context.ts'
import { tokenOf } from '../http/authenticate.ts'
import { readJson } from '../http/body.ts'
import type { Endpoint, Request, Response } from '../http/endpoint.ts'
import { hashSecret } from '../lib/random.ts'
import type { Facts } from './fault-scope.ts'

/** What stands for a delayed event in whichever dialect: in the path, and in the body. */
const inPath = ['delayId', 'futureId', 'token']
const inBody = ['expire_refresh_token', 'future_token', 'timeout_refresh_token', 'future_id']

/** Looks only: a fault may strike before anything has been done. */
export async function factsOf(
  ctx: Context,
  endpoint: Endpoint,
  request: Request,
  response: Response,
): Promise<Facts> {
  const requester = await userBehind(ctx, request)
  const params = request.params as Record<string, string | undefined>
  const credential =
    valueIn(params, inPath) ?? (await credentialInBody(ctx, endpoint, request, response))
  const delayedEvent = credential === undefined ? undefined : await delayedEventOf(ctx, credential)
  const known = (...values: (string | undefined)[]) => values.filter(value => value !== undefined)
  return {
    endpoint: `${endpoint.method} ${request.route?.path}`,
    userIds: known(requester, delayedEvent?.user_id),
    roomIds: known(params.roomId, params.roomIdOrAlias, delayedEvent?.room_id),
    delayIds: known(delayedEvent?.delay_id),
  }
}

async function userBehind(ctx: Context, request: Request): Promise<string | undefined> {
  const token = tokenOf(request)
  if (token === undefined) return undefined
  const service = ctx.appServices.ofToken(token)
  if (service) {
    return new URL(request.url, 'http://x').searchParams.get('user_id') ?? service.senderUserId
  }
  return (await ctx.sessions.find(hashSecret(token)))?.user_id
}

const valueIn = (object: Record<string, unknown>, names: readonly string[]) =>
  names.map(name => object[name]).find(value => typeof value === 'string')

/** Read only where it holds one; whoever reads it again gets the same bytes. */
async function credentialInBody(
  ctx: Context,
  { bodyNames }: Endpoint,
  request: Request,
  response: Response,
): Promise<string | undefined> {
  if (!inBody.some(name => bodyNames.includes(name))) return undefined
  try {
    return valueIn(await readJson(ctx, request, response, true), inBody)
  } catch {
    // Refused by the endpoint, in its own words.
    return undefined
  }
}

async function delayedEventOf(ctx: Context, credential: string) {
  return (
    (await selectDelayedEvent(ctx.db, credential)) ??
    (await selectBySecret(ctx.db, hashSecret(credential)))
  )
}
