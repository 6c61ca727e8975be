/**
 * How much a user has not read of a room.
 *
 * Spec: GET /sync "Unread Notification Counts", `unread_thread_notifications`
 */
import type { JsonObject } from '../lib/json.ts'
import type { Counts } from '../rooms/unread-counts.ts'

/** @param isByThread threads are told apart only if the filter asks for it; else all are one */
export function unreadSection(counts: Counts | undefined, isByThread: boolean): JsonObject {
  const total = { notification_count: 0, highlight_count: 0 }
  const threads: JsonObject = {}
  for (const [thread, { notifications, highlights }] of counts ?? []) {
    if (thread !== 'main' && isByThread) {
      threads[thread] = { notification_count: notifications, highlight_count: highlights }
    } else {
      total.notification_count += notifications
      total.highlight_count += highlights
    }
  }
  return {
    unread_notifications: total,
    ...(Object.keys(threads).length > 0 ? { unread_thread_notifications: threads } : {}),
  }
}
