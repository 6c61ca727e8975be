/**
 * The same request again gets the same answer, and nothing is done twice: also after a restart,
 * because the answer is stored in the very transaction that did the work.
 *
 * Spec: Client-Server API "Transaction identifiers": by device and path.
 */

import { type Db, type Tx, transaction } from '../../db/transaction.ts'
import {
  type AnswerKey,
  deleteAnswersBefore,
  insertAnswer,
  selectAnswer,
} from '../../db/transaction-ids.ts'
import type { Context } from '../context.ts'
import type { JsonObject } from '../lib/json.ts'
import type { Job } from '../lib/sweeper.ts'

class AnsweredMeanwhile extends Error {}

/** What this request was answered before; undefined if it is new. */
export async function findAnswer(db: Db, key: AnswerKey): Promise<JsonObject | undefined> {
  const answer = await selectAnswer(db, key)
  return answer === undefined ? undefined : (JSON.parse(answer) as JsonObject)
}

/**
 * Run `action` and store its answer in one transaction. If the same request is being handled at
 * the same moment, the one that stores its answer second undoes its work and gives the first's.
 */
export async function once<T extends JsonObject>(
  ctx: Context,
  key: AnswerKey,
  action: (tx: Tx) => Promise<T>,
): Promise<T> {
  try {
    return await transaction(ctx.db, async tx => {
      const answer = await action(tx)
      const stored = await insertAnswer(tx, key, JSON.stringify(answer), ctx.clock.now())
      if (stored === 'taken') throw new AnsweredMeanwhile()
      return answer
    })
  } catch (error) {
    if (!(error instanceof AnsweredMeanwhile)) throw error
    const answer = await findAnswer(ctx.db, key)
    if (!answer) throw new Error('an answer was taken and is not there')
    return answer as T
  }
}

/** A transaction takes no more at once, so that nobody waits long behind it. */
const batchSize = 100

/** Forgets old answers: who repeats a request after that long does it anew. */
export function pruneAnswers(ctx: Context): Job {
  return async isStopped => {
    const { transaction_ids_kept_ms } = ctx.config
    if (transaction_ids_kept_ms === 0) return
    const before = ctx.clock.now() - transaction_ids_kept_ms
    let removed = batchSize
    while (removed === batchSize && !isStopped()) {
      removed = await transaction(ctx.db, tx => deleteAnswersBefore(tx, before, batchSize))
    }
  }
}
