/** Faults over HTTP. */
import { z } from 'zod'
import { type Endpoint, endpoint } from '../http/endpoint.ts'
import { shortText } from '../http/schemas.ts'
import type { JsonObject, JsonValue } from '../lib/json.ts'
import { notFound } from '../matrix/errors.ts'
import { labEndpoint, labOf, labPath } from './door.ts'
import type { Fault, FaultOptions, Strike } from './fault.ts'
import { faultSchema, ours, renamed, theirs } from './fault-schema.ts'

const path = `${labPath}/faults`

const faultOnWire = ({ id, options, left, skip }: Fault): JsonObject => ({
  ...renamed<JsonValue>(options, theirs),
  id,
  left,
  skip,
})
const strikeOnWire = ({ faultId, ...strike }: Strike): JsonObject => ({
  fault_id: faultId,
  ...renamed<JsonValue>(strike, theirs),
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
    body: faultSchema(theirs),
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
