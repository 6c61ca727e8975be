/**
 * Managing Futures, as MSC4140's drafts of 2024 have it: by one token for all that a request
 * scheduled, by one token for each thing to do, or by id and with an access token.
 */
import { z } from 'zod'
import { selectDelayedEvent } from '../../../db/delayed-events.ts'
import type { Context } from '../../context.ts'
import {
  callAction,
  doBySecret,
  gone,
  manageBySecret,
  manageOrGone,
} from '../../delayed-events/by-secret.ts'
import { unknownDelayedEvent } from '../../delayed-events/limits.ts'
import { endpoint } from '../../http/endpoint.ts'
import { optional, shortText } from '../../http/schemas.ts'
import type { JsonObject } from '../../lib/json.ts'
import type { Requester } from '../../requester.ts'
import { speaks } from './dialects.ts'
import { actions, spec, unstablePrefix } from './wire.ts'

/** These drafts say `refresh`, and the later ones `restart`. */
const actionName = z
  .enum([...actions, 'refresh'])
  .transform(name => (name === 'refresh' ? 'restart' : name))

// The drafts say PUT here and POST there.
const methods = ['PUT', 'POST'] as const
const withoutToken = { spec, auth: 'none' } as const
const withToken = {
  method: 'POST',
  spec,
  auth: 'user',
  servedIf: speaks('future_ids'),
} as const

/** One token for all, in the body; the path says what to do. */
const byFutureToken = methods.flatMap(method => [
  endpoint({
    ...withoutToken,
    method,
    path: '/_matrix/client/v3/futures/refresh',
    servedIf: speaks('futures'),
    body: tokenBody(),
    async handle({ ctx, requester, address, body }) {
      const wanted = { power: 'future', action: 'restart' } as const
      await manageBySecret(ctx, { requester, address }, tokenIn(body), wanted)
      return {}
    },
  }),
  endpoint({
    ...withoutToken,
    method,
    path: '/_matrix/client/v3/futures/action/:actionName',
    servedIf: speaks('futures'),
    params: z.object({ actionName: shortText }),
    body: tokenBody(),
    async handle({ ctx, requester, address, params, body }) {
      await callAction(ctx, { requester, address }, tokenIn(body), params.actionName)
      return {}
    },
  }),
])

/** The token in the path is all; with a delay_id in its place the body says what to do. */
const byActionToken = methods.map(method =>
  endpoint({
    ...withoutToken,
    method,
    path: [
      '/_matrix/client/v3/futures/:token',
      '/_matrix/client/v3/future/:token',
      '/_matrix/client/v1/future/:token',
      `${unstablePrefix}/future/:token`,
    ],
    servedIf: speaks('future_tokens'),
    params: z.object({ token: shortText }),
    body: z.looseObject({ action: optional(actionName) }),
    bodyOptional: true,
    async handle({ ctx, requester, address, params, body }) {
      await doBySecret(ctx, { requester, address }, params.token, body.action)
      return {}
    },
  }),
)

const byId = [
  endpoint({
    ...withToken,
    path: ['/_matrix/client/v1/update_future', `${unstablePrefix}/update_future`],
    body: z.looseObject({ future_id: shortText, action: actionName }),
    handle: ({ ctx, requester, address, body }) =>
      update(ctx, { requester, address }, body.future_id, body.action),
  }),
  endpoint({
    ...withToken,
    path: ['/_matrix/client/v1/futures/:futureId', `${unstablePrefix}/futures/:futureId`],
    params: z.object({ futureId: shortText }),
    body: z.looseObject({ action: actionName }),
    handle: ({ ctx, requester, address, params, body }) =>
      update(ctx, { requester, address }, params.futureId, body.action),
  }),
]

async function update(
  ctx: Context,
  caller: { requester: Requester; address: string },
  futureId: string,
  action: z.infer<typeof actionName>,
): Promise<JsonObject> {
  const row = await selectDelayedEvent(ctx.db, futureId)
  if (row?.user_id !== caller.requester.userId) {
    unknownDelayedEvent(ctx, caller)
    throw gone()
  }
  await manageOrGone(ctx, caller, row, action)
  return {}
}

/** The first draft calls the token `timeout_refresh_token`. */
function tokenBody() {
  return z
    .looseObject({
      future_token: shortText.optional(),
      timeout_refresh_token: shortText.optional(),
    })
    .refine(body => tokenIn(body) !== '', { path: ['future_token'] })
}

function tokenIn(body: {
  future_token?: string | undefined
  timeout_refresh_token?: string | undefined
}): string {
  return body.future_token ?? body.timeout_refresh_token ?? ''
}

export const futuresManagingEndpoints = [...byFutureToken, ...byActionToken, ...byId]
