/**
 * The same request again gets the same answer, and nothing is done twice: also after a restart,
 * because the answer is stored in the very transaction that did the work.
 *
 * Spec: Client-Server API "Transaction identifiers": by device and path.
 */

import { presumingTransaction, type Tx, transaction } from '../../db/transaction.ts'
import {
  type AnswerKey,
  deleteAnswersBefore,
  insertAnswers,
  isAnswered,
} from '../../db/transaction-ids.ts'
import type { JsonObject } from '../lib/json.ts'
import type { Job } from '../lib/sweeper.ts'
import { type Going, Together } from '../lib/together.ts'
import { MatrixError } from '../matrix/errors.ts'
import type { Context } from './context.ts'

/**
 * Run `action` and store its answer in one transaction. If the same request is being handled at
 * the same moment, the one that stores its answer second undoes its work and gives the first's.
 */
export function once<T extends JsonObject>(
  ctx: Context,
  key: AnswerKey,
  action: (tx: Tx) => Promise<T>,
): Promise<T> {
  return orAsAnswered(ctx, key, () =>
    transaction(ctx.db, async tx => {
      const answer = await action(tx)
      await store(ctx, tx, [{ key, answer }])
      return answer
    }),
  )
}

/** What requests ask for that are handled together: gives each its answer, or its refusal. */
export type Act<In, T> = (tx: Tx, inputs: readonly In[]) => Promise<readonly (T | MatrixError)[]>

/** As {@link once}, for requests that go together in one transaction. */
export class OnceTogether<In, T extends JsonObject> {
  readonly #ctx: () => Context
  readonly #together: Together<{ key: AnswerKey | undefined; input: In }, T>

  constructor(ctx: () => Context, act: Act<In, T>, { keyOf, ...going }: Going<In>) {
    this.#ctx = ctx
    this.#together = new Together<{ key: AnswerKey | undefined; input: In }, T>(
      requests => this.#handle(act, requests),
      {
        ...going,
        ...(keyOf && { keyOf: ({ input }) => keyOf(input) }),
      },
    )
  }

  /** @param key undefined: the request has no transaction id, and its answer is not kept */
  do(key: AnswerKey | undefined, input: In): Promise<T> {
    const go = () => this.#together.do({ key, input })
    return key ? orAsAnswered(this.#ctx(), key, go) : go()
  }

  #handle(act: Act<In, T>, requests: readonly { key: AnswerKey | undefined; input: In }[]) {
    const ctx = this.#ctx()
    return presumingTransaction(ctx.db, async tx => {
      const inputs = requests.map(({ input }) => input)
      const outcomes = await act(tx, inputs)
      const answers = requests.flatMap(({ key }, i) => {
        const answer = outcomes[i]
        return !key || !answer || answer instanceof MatrixError ? [] : [{ key, answer }]
      })
      await store(ctx, tx, answers)
      return outcomes
    })
  }
}

async function store(
  ctx: Context,
  tx: Tx,
  answers: readonly { key: AnswerKey; answer: JsonObject }[],
): Promise<void> {
  const rows = answers.map(({ key, answer }) => ({ key, response: JSON.stringify(answer) }))
  await insertAnswers(tx, rows, ctx.clock.now())
  ctx.answers.note(
    tx,
    answers.map(({ key }) => key),
  )
}

async function orAsAnswered<T extends JsonObject>(
  ctx: Context,
  key: AnswerKey,
  run: () => Promise<T>,
): Promise<T> {
  try {
    return await run()
  } catch (error) {
    if (!isAnswered(error)) throw error
    const answer = await ctx.answers.stored(key)
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
