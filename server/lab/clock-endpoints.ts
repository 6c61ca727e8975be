/** The clock over HTTP. */
import { z } from 'zod'
import type { Context } from '../context.ts'
import { type Endpoint, endpoint } from '../http/endpoint.ts'
import type { JsonObject } from '../lib/json.ts'
import { labEndpoint, labOf, labPath } from './door.ts'
import {
  advance,
  advanceUntilIdle,
  longestAdvanceMs,
  readClock,
  runClock,
  setClock,
} from './time.ts'

const path = `${labPath}/clock`
const milliseconds = z.int().min(0).max(longestAdvanceMs)

const answer = async (result: object | Promise<object>) => (await result) as JsonObject

export const labClockEndpoints: readonly Endpoint[] = [
  endpoint({
    ...labEndpoint,
    method: 'GET',
    path,
    handle: ({ ctx }) => answer(readClock(labOf(ctx))),
  }),
  endpoint({
    ...labEndpoint,
    method: 'POST',
    path: `${path}/freeze`,
    body: z.strictObject({}),
    bodyOptional: true,
    handle: ({ ctx }) => answer(runClock(labOf(ctx), 0)),
  }),
  endpoint({
    ...labEndpoint,
    method: 'POST',
    path: `${path}/run`,
    body: z.strictObject({ speed: z.number().min(0.001).max(100_000).optional() }),
    bodyOptional: true,
    handle: ({ ctx, body }) => answer(runClock(labOf(ctx), body.speed ?? 1)),
  }),
  endpoint({
    ...labEndpoint,
    method: 'POST',
    path: `${path}/advance`,
    body: z.strictObject({ ms: milliseconds }),
    handle: ({ ctx, body }) => answer(advance(labOf(ctx), body.ms)),
  }),
  endpoint({
    ...labEndpoint,
    method: 'POST',
    path: `${path}/advance-until-idle`,
    body: z.strictObject({ max_ms: milliseconds.optional() }),
    bodyOptional: true,
    handle: ({ ctx, body }) => answer(untilIdle(ctx, body.max_ms)),
  }),
  endpoint({
    ...labEndpoint,
    method: 'POST',
    path: `${path}/set`,
    body: z.strictObject({ now: z.int().min(0) }),
    handle: ({ ctx, body }) => answer(setClock(labOf(ctx), body.now)),
  }),
]

/** Twice the longest delay is enough for all that is scheduled now. */
function untilIdle(ctx: Context, maxMs: number | undefined) {
  const byDefault = Math.min(2 * ctx.config.delayed_events.max_delay_ms, longestAdvanceMs)
  return advanceUntilIdle(labOf(ctx), maxMs ?? byDefault)
}
