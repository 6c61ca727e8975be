/** Spec: Client-Server API "Send-to-Device messaging" */
import { z } from 'zod'
import { sendToDevice } from '../encryption/to-device.ts'
import { endpoint } from '../http/endpoint.ts'
import { eventType, jsonObject, shortText } from '../http/schemas.ts'

const putSendToDevice = endpoint({
  method: 'PUT',
  path: '/_matrix/client/v3/sendToDevice/:eventType/:txnId',
  spec: 'client-server-api/#put_matrixclientv3sendtodeviceeventtypetxnid',
  auth: 'user',
  params: z.object({ eventType, txnId: shortText }),
  body: z.looseObject({ messages: jsonObject }),
  idempotent: true,
  handle: ({ ctx, requester, params, body, once }) =>
    once(async tx => {
      const sent = { type: params.eventType, messages: body.messages }
      await sendToDevice(ctx, tx, requester.userId, sent)
      return {}
    }),
})

export const toDeviceEndpoints = [putSendToDevice]
