/** Spec: Client-Server API "Room Tagging" */
import { z } from 'zod'
import { endpoint } from '../http/endpoint.ts'
import { optional, roomId, shortText, userId } from '../http/schemas.ts'
import type { JsonObject } from '../lib/json.ts'
import { assertSelf } from '../requester.ts'
import { setTag, tagsOf } from '../user-data/tags.ts'

const path = '/_matrix/client/v3/user/:userId/rooms/:roomId/tags'
const params = z.object({ userId, roomId })
const tagParams = z.object({ userId, roomId, tag: shortText.min(1) })

const getTags = endpoint({
  method: 'GET',
  path,
  spec: 'client-server-api/#get_matrixclientv3useruseridroomsroomidtags',
  auth: 'user',
  params,
  async handle({ ctx, requester, params }) {
    assertSelf(requester, params.userId)
    return { tags: await tagsOf(ctx.db, requester.userId, params.roomId) }
  },
})

const putTag = endpoint({
  method: 'PUT',
  path: `${path}/:tag`,
  spec: 'client-server-api/#put_matrixclientv3useruseridroomsroomidtagstag',
  auth: 'user',
  params: tagParams,
  body: z.looseObject({ order: optional(z.number().min(0).max(1)) }),
  async handle({ ctx, requester, params, body }) {
    assertSelf(requester, params.userId)
    const key = { userId: requester.userId, roomId: params.roomId, name: params.tag }
    const { order, ...others } = body
    const tag = { ...others, ...(order === undefined ? {} : { order }) } as JsonObject
    await setTag(ctx, key, tag)
    return {}
  },
})

const deleteTag = endpoint({
  method: 'DELETE',
  path: `${path}/:tag`,
  spec: 'client-server-api/#delete_matrixclientv3useruseridroomsroomidtagstag',
  auth: 'user',
  params: tagParams,
  async handle({ ctx, requester, params }) {
    assertSelf(requester, params.userId)
    const key = { userId: requester.userId, roomId: params.roomId, name: params.tag }
    await setTag(ctx, key, undefined)
    return {}
  },
})

export const tagEndpoints = [getTags, putTag, deleteTag]
