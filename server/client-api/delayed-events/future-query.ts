/**
 * MSC4140's Futures of 2024-06 and 07: a timeout and a group in the query of /send and /state, and
 * of /send_future and /state_future. The drafts with tokens and those with ids ask alike, so the
 * answer has what each of them looks for.
 */
import { z } from 'zod'
import type { SecretPower } from '../../../db/schema.ts'
import type { Context } from '../../context.ts'
import { scheduleFuture } from '../../delayed-events/future-groups.ts'
import { shortText } from '../../http/schemas.ts'
import type { JsonObject } from '../../lib/json.ts'
import { invalidParam } from '../../matrix/errors.ts'
import { answerWithSecrets, assertLegacy, inLegacyWords } from './dialects.ts'
import type { Later } from './given-event.ts'

/** One draft says `none` where the others leave the timeout out. */
const timeout = z
  .string()
  .regex(/^([1-9]\d*|none)$/, 'is neither a number above 0 nor none')
  .transform(value => (value === 'none' ? value : Number(value)))
  .optional()
const id = shortText.min(1).optional()

/** The name in the text, and what the drafts put before it while it is none. */
export const futureQuery = z.object({
  future_timeout: timeout,
  'org.matrix.msc4140.future_timeout': timeout,
  'io.element.msc3140.future_timeout': timeout,
  future_group_id: id,
  'org.matrix.msc4140.future_group_id': id,
  'io.element.msc3140.future_group_id': id,
  parent_future_id: id,
  'org.matrix.msc4140.parent_future_id': id,
})

/** The first draft's `timeout`, on endpoints of its own; its example means seconds. */
export const futureQueryWithTimeout = z.object({ ...futureQuery.shape, timeout })

type Query = z.infer<typeof futureQueryWithTimeout>

/**
 * @returns undefined if the query names neither a timeout nor a group
 * @throws 400 M_INVALID_PARAM two that differ
 */
export function futureOf(query: Query): Later | undefined {
  const seconds = typeof query.timeout === 'number' ? query.timeout * 1_000 : query.timeout
  const timeoutMs = agreed('future_timeout', [
    query.future_timeout,
    query['org.matrix.msc4140.future_timeout'],
    query['io.element.msc3140.future_timeout'],
    seconds,
  ])
  const groupId = agreed('future_group_id', [
    query.future_group_id,
    query['org.matrix.msc4140.future_group_id'],
    query['io.element.msc3140.future_group_id'],
  ])
  const parentId = agreed('parent_future_id', [
    query.parent_future_id,
    query['org.matrix.msc4140.parent_future_id'],
  ])
  if (timeoutMs === undefined && groupId === undefined && parentId === undefined) return undefined
  const isUnstable = Object.keys(query).some(name => name.includes('.'))
  return (ctx, requester, event, { once }) => {
    assertLegacy(ctx, 'future_tokens', 'future_ids')
    const isTicking = typeof timeoutMs === 'number'
    const names = tokenNames(ctx, isTicking)
    const future = {
      ...event,
      timeoutMs: isTicking ? timeoutMs : null,
      groupId,
      parentId,
      powers: Object.values(names),
    }
    return inLegacyWords(isUnstable, () =>
      once(async tx => {
        const scheduled = await scheduleFuture(ctx, tx, requester, future)
        return answerWithSecrets(answerOf(ctx, scheduled), scheduled.delayId, names)
      }),
    )
  }
}

function agreed<T>(name: string, values: readonly (T | undefined)[]): T | undefined {
  const [first, ...others] = values.filter(value => value !== undefined)
  if (others.some(other => other !== first)) throw invalidParam(`Two values of ${name} differ`)
  return first
}

/** Only what has a timeout can be refreshed. */
function tokenNames({ config }: Context, isTicking: boolean): Record<string, SecretPower> {
  if (!config.delayed_events.dialects.future_tokens) return {}
  return {
    send_token: 'send',
    cancel_token: 'cancel',
    ...(isTicking ? { refresh_token: 'refresh' } : {}),
  }
}

function answerOf(
  { config }: Context,
  { delayId, groupId }: { delayId: string; groupId: string },
): JsonObject {
  const { future_ids, future_tokens } = config.delayed_events.dialects
  return {
    ...(future_tokens ? { future_group_id: groupId } : {}),
    ...(future_ids ? { future_id: delayId } : {}),
  }
}
