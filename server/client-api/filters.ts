/** Spec: Client-Server API "Filtering" */
import { z } from 'zod'
import { selectFilter } from '../../db/filters.ts'
import { endpoint } from '../http/endpoint.ts'
import { jsonObject, shortText, userId } from '../http/schemas.ts'
import type { JsonObject } from '../lib/json.ts'
import { notFound } from '../matrix/errors.ts'
import { assertSelf } from '../requester.ts'
import { saveFilter } from '../user-data/filters.ts'

const postFilter = endpoint({
  method: 'POST',
  path: '/_matrix/client/v3/user/:userId/filter',
  spec: 'client-server-api/#post_matrixclientv3useruseridfilter',
  auth: 'user',
  params: z.object({ userId }),
  body: jsonObject,
  async handle({ ctx, requester, params, body }) {
    assertSelf(requester, params.userId)
    return { filter_id: await saveFilter(ctx, requester.userId, body) }
  },
})

const getFilter = endpoint({
  method: 'GET',
  path: '/_matrix/client/v3/user/:userId/filter/:filterId',
  spec: 'client-server-api/#get_matrixclientv3useruseridfilterfilterid',
  auth: 'user',
  params: z.object({ userId, filterId: shortText }),
  async handle({ ctx, requester, params }) {
    assertSelf(requester, params.userId)
    const definition = await selectFilter(ctx.db, requester.userId, params.filterId)
    if (definition === undefined) throw notFound('There is no such filter')
    return JSON.parse(definition) as JsonObject
  },
})

export const filterEndpoints = [postFilter, getFilter]
