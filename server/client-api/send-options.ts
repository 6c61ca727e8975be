/** What a query says about an event that is sent, be it at once or later. */
import type { z } from 'zod'
import type { Requester } from '../requester.ts'
import { stickyDurationOf, stickyQuery } from './sticky-events.ts'
import { timestampOf, timestampQuery } from './timestamp-massaging.ts'

export const sendOptionsQuery = timestampQuery.extend(stickyQuery.shape)

/** @throws 400 M_INVALID_PARAM as {@link timestampOf} and {@link stickyDurationOf} say */
export function sendOptionsOf(requester: Requester, query: z.infer<typeof sendOptionsQuery>) {
  return {
    originServerTs: timestampOf(requester, query),
    stickyDurationMs: stickyDurationOf(query),
  }
}
