/** Spec: MSC3814 */
import { z } from 'zod'
import {
  findDehydratedDevice,
  putDehydratedDevice,
  readDehydratedMessages,
  removeDehydratedDevice,
} from '../encryption/dehydrated-device.ts'
import { endpoint } from '../http/endpoint.ts'
import { deviceId, displayName, jsonObject, optional, text } from '../http/schemas.ts'

const path = '/_matrix/client/unstable/org.matrix.msc3814.v1/dehydrated_device'

const putDevice = endpoint({
  method: 'PUT',
  path,
  spec: 'MSC3814',
  auth: 'user',
  body: z.looseObject({
    device_id: deviceId,
    device_data: jsonObject,
    initial_device_display_name: optional(displayName),
    device_keys: jsonObject,
    one_time_keys: optional(jsonObject),
    fallback_keys: optional(jsonObject),
  }),
  async handle({ ctx, requester, body }) {
    await putDehydratedDevice(ctx, requester, {
      deviceId: body.device_id,
      deviceData: body.device_data,
      displayName: body.initial_device_display_name,
      deviceKeys: body.device_keys,
      oneTimeKeys: body.one_time_keys,
      fallbackKeys: body.fallback_keys,
    })
    return { device_id: body.device_id }
  },
})

const getDevice = endpoint({
  method: 'GET',
  path,
  spec: 'MSC3814',
  auth: 'user',
  handle: ({ ctx, requester }) => findDehydratedDevice(ctx, requester),
})

const deleteDevice = endpoint({
  method: 'DELETE',
  path,
  spec: 'MSC3814',
  auth: 'user',
  async handle({ ctx, requester }) {
    return { device_id: await removeDehydratedDevice(ctx, requester) }
  },
})

const params = z.object({ deviceId })

// matrix-js-sdk 43 asks this way …
const getEvents = endpoint({
  method: 'GET',
  path: `${path}/:deviceId/events`,
  spec: 'MSC3814',
  auth: 'user',
  params,
  query: z.object({ from: text.optional() }),
  handle: ({ ctx, requester, params, query }) =>
    readDehydratedMessages(ctx, requester, params.deviceId, query.from),
})

// … the MSC, and with it matrix-rust-sdk, that way.
const postEvents = endpoint({
  method: 'POST',
  path: `${path}/:deviceId/events`,
  spec: 'MSC3814',
  auth: 'user',
  params,
  body: z.looseObject({ next_batch: optional(text) }),
  bodyOptional: true,
  handle: ({ ctx, requester, params, body }) =>
    readDehydratedMessages(ctx, requester, params.deviceId, body.next_batch),
})

export const dehydratedDeviceEndpoints = [putDevice, getDevice, deleteDevice, getEvents, postEvents]
