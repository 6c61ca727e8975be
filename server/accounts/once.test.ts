/** What is remembered of requests is forgotten, and the embedded database is no larger for it. */
import { bytesOf } from '../../db/testing/behind-the-curtain.ts'
import { transaction } from '../../db/transaction.ts'
import { insertAnswers } from '../../db/transaction-ids.ts'
import type { LabClock } from '../lib/lab-clock.ts'
import { startContext } from '../test-context.ts'

test('answers take no more room than those of a day', async () => {
  const { ctx, end } = await startContext()
  const clock = ctx.clock as LabClock
  const dayMs = ctx.config.transaction_ids_kept_ms
  const sizes: number[] = []
  for (let day = 0; day < 4; day++) {
    const answers = Array.from({ length: 1_000 }, (_, n) => ({
      key: { userId: '@alice:hs1', deviceId: 'PHONE', path: `/send/${day}/${n}` },
      response: '{"event_id":"$of-some-event"}',
    }))
    await transaction(ctx.db, tx => insertAnswers(tx, answers, clock.now()))
    sizes.push(await bytesOf(ctx.db, 'transaction_ids'))
    await clock.advance(2 * dayMs, () => ctx.sweeper.idle())
  }
  expect(Math.max(...sizes)).toBeLessThan(1.5 * (sizes[0] ?? 0))
  await end()
})
