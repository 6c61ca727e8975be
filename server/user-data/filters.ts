/** Filters that clients upload once and name in every `/sync`. */
import { createHash } from 'node:crypto'
import { insertFilter } from '../../db/filters.ts'
import { transaction } from '../../db/transaction.ts'
import type { JsonObject } from '../lib/json.ts'
import { assertFilter } from '../matrix/filter.ts'
import type { Context } from './context.ts'

/**
 * Keep a filter. Its id is made from its text: the same definition has the same id.
 *
 * @throws 400 M_BAD_JSON it is not a filter
 * Spec: POST /user/{userId}/filter
 */
export async function saveFilter(
  ctx: Context,
  userId: string,
  definition: JsonObject,
): Promise<string> {
  assertFilter(definition)
  const text = JSON.stringify(definition)
  const filterId = createHash('sha256').update(text).digest('base64url').slice(0, 22)
  await transaction(ctx.db, tx =>
    insertFilter(tx, { user_id: userId, filter_id: filterId, definition: text }),
  )
  return filterId
}
