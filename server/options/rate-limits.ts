/** How often something may be done, and for whose sake so often. */
import { z } from 'zod'

/** So many at once, and then so many a second. */
const limit = (perSecond: number, burstCount: number) =>
  z
    .strictObject({
      per_second: z.number().min(0).max(1_000_000).default(perSecond),
      burst_count: z.int().min(1).max(1_000_000).default(burstCount),
    })
    .prefault({})

export const rateLimits = z
  .strictObject({
    enabled: z
      .boolean()
      .default(true)
      .describe('Complement, load tests and the like switch all of them off.'),
    messages: limit(100, 5_000).describe(
      'By user: sending events. A delayed event counts for its sender when it is sent; if that ' +
        'is too often, it is finalised with M_LIMIT_EXCEEDED.',
    ),
    delayed_event_scheduling: limit(100, 1_000).describe('By user.'),
    delayed_event_management: limit(1, 20).describe(
      'By delayed event: sending, cancelling and restarting it. Element Call restarts one every ' +
        'few seconds; its documentation asks for 1 a second and a burst of 20.',
    ),
    delayed_event_management_by_user: limit(50, 500).describe('By user, where there is a token.'),
    delayed_event_misses: limit(5, 100).describe(
      'By address: managing delayed events that do not exist. Those that exist never count by ' +
        'address, because one lk-jwt-service manages those of everybody.',
    ),
    delayed_event_lookups: limit(20, 500).describe('By user: listing them, and looking one up.'),
    rooms: limit(20, 500).describe('By user: making rooms.'),
    joins: limit(50, 1_000).describe('By user: joining, knocking, leaving, forgetting.'),
    invites: limit(50, 1_000).describe('By user.'),
    logins: limit(50, 500).describe('By address.'),
    logins_by_account: limit(5, 100).describe('By the account that is logged in to.'),
    registrations: limit(50, 1_000).describe('By address.'),
    other: limit(200, 5_000).describe(
      'By user, or by address without one: whatever else the specification marks as rate-limited.',
    ),
  })
  .prefault({})
  .describe(
    'How often something may be done: burst_count times at once, then per_second times a second. ' +
      'per_second: 0 switches a limit off. What is refused is 429 with Retry-After.',
  )
