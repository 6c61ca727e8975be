/** Receipts as they are told: in `/sync`, and to application services. */
import type { ReceiptRow } from '../../db/schema.ts'
import type { JsonObject } from '../lib/json.ts'

/**
 * The content of `m.receipt`: `{ eventId: { receiptType: { userId: { ts, thread_id? } } } }`
 *
 * Spec: "m.receipt"; MSC4102
 */
export function receiptContent(receipts: readonly ReceiptRow[]): JsonObject {
  const content: Record<string, Record<string, Record<string, JsonObject>>> = {}
  // MSC4102: one user has one receipt of a type at an event, and the unthreaded one says more.
  const isUnthreaded = (receipt: ReceiptRow) => (receipt.thread_id === '' ? 1 : 0)
  const inOrder = [...receipts].sort((a, b) => isUnthreaded(a) - isUnthreaded(b))
  for (const { event_id, receipt_type, user_id, received_ts, thread_id } of inOrder) {
    const ofEvent = content[event_id] ?? {}
    const receipt: JsonObject = { ts: received_ts }
    if (thread_id !== '') receipt.thread_id = thread_id
    const ofType = { ...ofEvent[receipt_type], [user_id]: receipt }
    content[event_id] = { ...ofEvent, [receipt_type]: ofType }
  }
  return content
}
