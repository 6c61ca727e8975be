/** Delayed events: how long, how many, what is kept of them, and in which dialects. */
import { z } from 'zod'
import { durationMs } from './kinds.ts'

const isSpoken = z.boolean().default(true)

/** MSC4140's ways of scheduling, oldest first. */
const dialects = z.strictObject({
  expiring_events: isSpoken.describe('m.will_expire in the content (draft of 2024-05-08).'),
  futures: isSpoken.describe(
    '…/future and …/send/future/{txnId} with m.timeout and m.send_on_timeout (drafts of 2024-05).',
  ),
  future_tokens: isSpoken.describe(
    'future_timeout in the query, …/send_future/… and …/state_future/…, answered with tokens ' +
      '(drafts of 2024-06).',
  ),
  future_ids: isSpoken.describe(
    'future_timeout in the query, answered with a future_id (drafts of 2024-07).',
  ),
  stable_delay: isSpoken.describe('delay in the query (drafts of 2024-07 to 2025-10).'),
  unstable_delay: isSpoken.describe(
    'org.matrix.msc4140.delay in the query: what matrix-js-sdk, matrix-rust-sdk and Complement send.',
  ),
  delayed_event: isSpoken.describe('PUT …/delayed_event/{eventType}/{txnId}, the newest text.'),
})

export const delayedEvents = z
  .strictObject({
    max_delay_ms: durationMs
      .default(86_400_000)
      .describe(
        'Longest delay; 0 switches delayed events off. Element Call asks for an hour when its ' +
          'leave is delegated.',
      ),
    max_scheduled_per_user: z
      .int()
      .min(0)
      .default(100)
      .describe('How many events a user may have scheduled; 0 switches delayed events off.'),
    finalised_kept_ms: durationMs
      .default(604_800_000)
      .describe(
        'How long it can be looked up what became of a delayed event, and retrying what was ' +
          'done to it is answered as before; 0 sets no time. Old ones are removed every hour.',
      ),
    finalised_kept_per_user: z
      .int()
      .min(0)
      .default(1000)
      .describe(
        'How many of those a user may have; beyond, the oldest are removed, every hour. 0 sets ' +
          'no number.',
      ),
    list_page_size: z
      .int()
      .min(0)
      .default(10)
      .describe('How many delayed events a page of a list holds; 0 gives all in one page.'),
    strict_shapes: z
      .boolean()
      .default(false)
      .describe(
        'Under stable paths, show a delayed event only under the names of the newest text, ' +
          'for clients that refuse members they do not know. Otherwise it has the names of ' +
          'every draft.',
      ),
    finalised_on_sync: z
      .boolean()
      .default(true)
      .describe(
        'Tell users in /sync, and application services in their transactions, what has become of ' +
          'their delayed events (drafts of 2024-10 to 2025-07, and MSC4309).',
      ),
    cancel_policy: z
      .enum(['any', 'other_user', 'none'])
      .default('other_user')
      .describe(
        'Whose newer state event cancels what was scheduled with a delay in the query: other_user ' +
          'as Synapse and Complement of 2025 have it, any as Complement of 2024, none as the ' +
          'drafts from 2025-10.',
      ),
    dialects: dialects
      .prefault({})
      .describe(
        'In which generations of MSC4140 events may be scheduled. What asks for a delay in one ' +
          'that is switched off is refused, never sent at once.',
      ),
  })
  .prefault({})
  .describe('MSC4140.')
