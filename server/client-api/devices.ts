/** Spec: Client-Server API "Device Management" */
import { z } from 'zod'
import type { DeviceRow } from '../../db/schema.ts'
import { findDevice, listDevices, removeDevices, renameDevice } from '../accounts/devices.ts'
import { authData } from '../accounts/uia.ts'
import { JsonAnswer } from '../http/answer.ts'
import { endpoint } from '../http/endpoint.ts'
import { deviceId, displayName, optional, shortText } from '../http/schemas.ts'

const onWire = ({ device_id, display_name, last_seen_ts, last_seen_ip }: DeviceRow) => ({
  device_id,
  ...(last_seen_ts === null ? {} : { last_seen_ts }),
  ...(last_seen_ip ? { last_seen_ip } : {}),
  ...(display_name === null ? {} : { display_name }),
})

const params = z.object({ deviceId })

const getDevices = endpoint({
  method: 'GET',
  path: '/_matrix/client/v3/devices',
  spec: 'client-server-api/#get_matrixclientv3devices',
  auth: 'user',
  async handle({ ctx, requester }) {
    return { devices: (await listDevices(ctx, requester.userId)).map(onWire) }
  },
})

const getDevice = endpoint({
  method: 'GET',
  path: '/_matrix/client/v3/devices/:deviceId',
  spec: 'client-server-api/#get_matrixclientv3devicesdeviceid',
  auth: 'user',
  params,
  async handle({ ctx, requester, params }) {
    return onWire(await findDevice(ctx, requester.userId, params.deviceId))
  },
})

const putDevice = endpoint({
  method: 'PUT',
  path: '/_matrix/client/v3/devices/:deviceId',
  spec: 'client-server-api/#put_matrixclientv3devicesdeviceid',
  auth: 'user',
  params,
  body: z.looseObject({ display_name: optional(displayName) }),
  async handle({ ctx, requester, params, body }) {
    const isNew = await renameDevice(ctx, requester, params.deviceId, body.display_name)
    return isNew ? new JsonAnswer(201, {}) : {}
  },
})

const deleteDevice = endpoint({
  method: 'DELETE',
  path: '/_matrix/client/v3/devices/:deviceId',
  spec: 'client-server-api/#delete_matrixclientv3devicesdeviceid',
  auth: 'user',
  params,
  body: z.looseObject({ auth: authData }),
  bodyOptional: true,
  async handle({ ctx, requester, params, body }) {
    await removeDevices(ctx, requester, [params.deviceId], body.auth)
    return {}
  },
})

const postDeleteDevices = endpoint({
  method: 'POST',
  path: '/_matrix/client/v3/delete_devices',
  spec: 'client-server-api/#post_matrixclientv3delete_devices',
  auth: 'user',
  body: z.looseObject({ devices: z.array(shortText), auth: authData }),
  async handle({ ctx, requester, body }) {
    await removeDevices(ctx, requester, body.devices, body.auth)
    return {}
  },
})

export const deviceEndpoints = [getDevices, getDevice, putDevice, deleteDevice, postDeleteDevices]
