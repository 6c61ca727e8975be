/** Faults over HTTP. */
import { z } from 'zod'
import { type Endpoint, endpoint } from '../http/endpoint.ts'
import { roomId, shortText, userId } from '../http/schemas.ts'
import type { JsonObject } from '../lib/json.ts'
import { notFound } from '../matrix/errors.ts'
import { labEndpoint, labOf, labPath } from './door.ts'
import type { Fault, FaultOptions, Strike } from './fault.ts'

const path = `${labPath}/faults`
const longestDelayMs = 366 * 86_400_000

/** Null is none of them: whoever meant somebody, and has nobody, would strike everybody. */
const scope = {
  user_id: userId.optional(),
  room_id: roomId.optional(),
  delay_id: shortText.min(1).optional(),
  endpoint: z.string().optional(),
  count: z.int().min(1).nullable().default(1),
  skip: z.int().min(0).default(0),
}
const delay_ms = z.int().min(1).max(longestDelayMs)

/** Strict: a scope that is misspelt would be one that fits everything. */
const fault = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('answer_lost'), ...scope }),
  z.strictObject({ kind: z.literal('request_delayed'), delay_ms, ...scope }),
  z.strictObject({ kind: z.literal('answer_delayed'), delay_ms, ...scope }),
  z.strictObject({
    kind: z.literal('rate_limited'),
    retry_after_ms: z.int().min(1).optional(),
    retry_after: z
      .string()
      .regex(/^[\x20-\x7e]*$/)
      .nullish(),
    ...scope,
  }),
  z.strictObject({
    kind: z.literal('error'),
    status: z.int().min(500).max(599).default(500),
    body: z.string().optional(),
    ...scope,
  }),
  z.strictObject({ kind: z.literal('connection_reset'), ...scope }),
  z.strictObject({ kind: z.literal('serialisation_failure'), ...scope }),
])

/** In our spelling, what is on the wire in theirs. */
const ours: Record<string, string> = {
  user_id: 'userId',
  room_id: 'roomId',
  delay_id: 'delayId',
  delay_ms: 'delayMs',
  retry_after_ms: 'retryAfterMs',
  retry_after: 'retryAfter',
}
const theirs = Object.fromEntries(Object.entries(ours).map(([wire, name]) => [name, wire]))

/** Without what is not given. */
function renamed(object: object, names: Record<string, string>): JsonObject {
  const entries = Object.entries(object).filter(([, value]) => value !== undefined)
  return Object.fromEntries(entries.map(([name, value]) => [names[name] ?? name, value]))
}

const faultOnWire = ({ id, options, left, skip }: Fault): JsonObject => ({
  ...renamed(options, theirs),
  id,
  left,
  skip,
})
const strikeOnWire = ({ faultId, ...strike }: Strike): JsonObject => ({
  fault_id: faultId,
  ...renamed(strike, theirs),
})

export const labFaultEndpoints: readonly Endpoint[] = [
  endpoint({
    ...labEndpoint,
    method: 'GET',
    path,
    handle({ ctx }) {
      const { faults } = labOf(ctx)
      return {
        faults: faults.list().map(faultOnWire),
        strikes: faults.strikes().map(strikeOnWire),
      }
    },
  }),
  endpoint({
    ...labEndpoint,
    method: 'POST',
    path,
    body: fault,
    handle({ ctx, body }) {
      const options = renamed(body, ours) as unknown as FaultOptions
      return faultOnWire(labOf(ctx).faults.add(options))
    },
  }),
  endpoint({
    ...labEndpoint,
    method: 'DELETE',
    path,
    handle({ ctx }) {
      labOf(ctx).faults.clear()
      return {}
    },
  }),
  endpoint({
    ...labEndpoint,
    method: 'DELETE',
    path: `${path}/:faultId`,
    params: z.object({ faultId: shortText }),
    handle({ ctx, params }) {
      if (!labOf(ctx).faults.remove(params.faultId)) throw notFound('There is no such fault')
      return {}
    },
  }),
]
