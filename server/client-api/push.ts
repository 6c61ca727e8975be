/** Spec: Client-Server API "Push Notifications": pushers, and what was notified of */
import { z } from 'zod'
import { endpoint } from '../http/endpoint.ts'
import { jsonObject, optional, queryInteger, text } from '../http/schemas.ts'
import { invalidParam, missingParam } from '../matrix/errors.ts'
import { notifications } from '../user-data/pushable-events.ts'
import { pushersOf, removePusher, setPusher } from '../user-data/pushers.ts'

const getPushers = endpoint({
  method: 'GET',
  path: '/_matrix/client/v3/pushers',
  spec: 'client-server-api/#get_matrixclientv3pushers',
  auth: 'user',
  handle: ({ ctx, requester }) => pushersOf(ctx, requester.userId),
})

/** Shown in lists of devices. */
const label = text.max(1_000)

const postPusher = endpoint({
  method: 'POST',
  path: '/_matrix/client/v3/pushers/set',
  spec: 'client-server-api/#post_matrixclientv3pushersset',
  auth: 'user',
  body: z.looseObject({
    app_id: text.min(1).max(64),
    pushkey: text.min(1).max(512),
    kind: text.nullable(),
    app_display_name: optional(label),
    device_display_name: optional(label),
    profile_tag: optional(label),
    lang: optional(label),
    data: optional(jsonObject),
    append: optional(z.boolean()),
  }),
  async handle({ ctx, requester, body }) {
    const { app_id, pushkey, kind } = body
    if (kind === null) {
      await removePusher(ctx, requester.userId, { app_id, pushkey })
      return {}
    }
    await setPusher(ctx, requester, {
      appId: app_id,
      pushkey,
      kind,
      appDisplayName: given('app_display_name', body.app_display_name),
      deviceDisplayName: given('device_display_name', body.device_display_name),
      profileTag: body.profile_tag,
      lang: given('lang', body.lang),
      data: given('data', body.data),
      append: body.append ?? false,
    })
    return {}
  },
})

/** Needed unless a pusher is removed. */
function given<T>(name: string, value: T | undefined): T {
  if (value === undefined) throw missingParam(`${name} is missing`)
  return value
}

const getNotifications = endpoint({
  method: 'GET',
  path: '/_matrix/client/v3/notifications',
  spec: 'client-server-api/#get_matrixclientv3notifications',
  auth: 'user',
  query: z.object({
    from: text.optional(),
    limit: queryInteger.optional(),
    only: text.optional(),
  }),
  handle({ ctx, requester, query }) {
    if (query.from !== undefined && !/^\d{1,15}$/.test(query.from)) {
      throw invalidParam('from is not a token of this server')
    }
    return notifications(ctx, requester, {
      before: query.from === undefined ? undefined : Number(query.from),
      limit: Math.min(Math.max(query.limit ?? 20, 1), 100),
      onlyHighlights: query.only === 'highlight',
    })
  },
})

export const pushEndpoints = [getPushers, postPusher, getNotifications]
