/** Application services say when what they pass on really happened. */
import { z } from 'zod'
import { parse, queryInteger } from '../http/schemas.ts'
import type { Requester } from '../requester.ts'

/** For the query of an endpoint that takes `ts`; nobody else's `ts` is looked at. */
export const timestampQuery = z.looseObject({ ts: z.unknown().optional() })

/**
 * @returns the `origin_server_ts` (Unix ms) that a service wants; undefined: now
 * @throws 400 M_INVALID_PARAM not a whole number from 0 up
 * Spec: Application Service API "Timestamp massaging"
 */
export function timestampOf(requester: Requester, { ts }: { ts?: unknown }): number | undefined {
  if (!requester.appService || ts === undefined) return undefined
  return parse(z.object({ ts: queryInteger }), { ts }, 'query').ts
}
