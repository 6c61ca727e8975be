/** The server speaks to a user, because an administrator wants it to. */
import { z } from 'zod'
import { sendOneServerNotice, sendServerNotice } from '../../administration/server-notices.ts'
import { endpoint } from '../../http/endpoint.ts'
import { eventType, jsonObject, optional, shortText, userId } from '../../http/schemas.ts'

const path = '/_synapse/admin/v1/send_server_notice'
const spec = 'Synapse "Server Notices"'

const body = z
  .object({
    user_id: userId,
    content: jsonObject,
    type: eventType.default('m.room.message'),
    state_key: optional(shortText),
  })
  .transform(({ user_id, state_key, ...rest }) => ({
    ...rest,
    userId: user_id,
    stateKey: state_key,
  }))

const postNotice = endpoint({
  method: 'POST',
  path,
  spec,
  auth: 'admin',
  body,
  handle: async ({ ctx, body }) => ({ event_id: await sendOneServerNotice(ctx, body) }),
})

const putNotice = endpoint({
  method: 'PUT',
  path: `${path}/:txnId`,
  spec,
  auth: 'admin',
  idempotent: true,
  params: z.object({ txnId: shortText }),
  body,
  handle: ({ ctx, body, once }) =>
    once(async tx => ({ event_id: await sendServerNotice(ctx, tx, body) })),
})

export const adminNoticeEndpoints = [postNotice, putNotice]
