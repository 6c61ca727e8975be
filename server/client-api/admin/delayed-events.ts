/** What is scheduled, by whomever: for developers who wonder what will happen next. */
import { z } from 'zod'
import { selectDelayedEventsOfAll } from '../../../db/delayed-events-lists.ts'
import { endpoint } from '../../http/endpoint.ts'
import { roomId, userId } from '../../http/schemas.ts'
import { countedPage } from './users.ts'

const statuses = ['scheduled', 'sent', 'cancelled', 'failed', 'any'] as const

const getDelayedEvents = endpoint({
  method: 'GET',
  path: '/_hourglass/admin/v1/delayed_events',
  spec: 'ours: decision 39',
  auth: 'admin',
  query: z.object({
    ...countedPage,
    status: z.enum(statuses).default('scheduled'),
    user_id: userId.optional(),
    room_id: roomId.optional(),
  }),
  async handle({ ctx, query }) {
    const { from, limit, status } = query
    const rows = await selectDelayedEventsOfAll(ctx.db, {
      from,
      // One more than is shown, to know whether there is more.
      limit: limit + 1,
      status: status === 'any' ? undefined : status,
      userId: query.user_id,
      roomId: query.room_id,
    })
    return {
      delayed_events: rows.slice(0, limit).map(({ state_key, ...row }) => ({
        ...row,
        ...(state_key === null ? {} : { state_key }),
      })),
      ...(rows.length > limit ? { next_batch: from + limit } : {}),
    }
  },
})

export const adminDelayedEventEndpoints = [getDelayedEvents]
