import type { Tx } from '../db/transaction.ts'
import { Metrics } from './metrics.ts'

const metrics = () => new Metrics({ countScheduled: async () => 0, countWaiting: () => 0 })
/** Commits at once. */
const tx = { afterCommit: (run: () => void) => run() } as Tx

async function early(of: Metrics): Promise<string | undefined> {
  const { text } = await of.write()
  return /^hourglass_delayed_events_early_total (\d+)$/m.exec(text)?.[1]
}

// The server never does it, so no request can show that the counter would move.
test.each([
  ['a millisecond before it is due', 999, '1'],
  ['when it is due', 1_000, '0'],
  ['late', 1_001, '0'],
])('a delayed event that is sent %s is counted as early or not', async (_, sentAt, count) => {
  const counted = metrics()
  counted.sentWhenDue(tx, { dueAt: 1_000, sentAt, now: () => sentAt })
  expect(await early(counted)).toBe(count)
})
