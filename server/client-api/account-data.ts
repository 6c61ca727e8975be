/** Spec: Client-Server API "Account Data" */
import { z } from 'zod'
import { endpoint } from '../http/endpoint.ts'
import { eventType, jsonObject, roomId, userId } from '../http/schemas.ts'
import { assertSelf } from '../requester.ts'
import { accountData, removeAccountData, setAccountData } from '../user-data/account-data.ts'

/** MSC3391: only the removal has the unstable paths. */
const unstable = '/_matrix/client/unstable/org.matrix.msc3391/user/:userId'
const globalPath = '/_matrix/client/v3/user/:userId/account_data/:type'
const roomPath = '/_matrix/client/v3/user/:userId/rooms/:roomId/account_data/:type'
const globalParams = z.object({ userId, type: eventType })
const roomParams = z.object({ userId, roomId, type: eventType })

const putGlobal = endpoint({
  method: 'PUT',
  path: globalPath,
  spec: 'client-server-api/#put_matrixclientv3useruseridaccount_datatype',
  auth: 'user',
  params: globalParams,
  body: jsonObject,
  async handle({ ctx, requester, params, body }) {
    assertSelf(requester, params.userId)
    await setAccountData(ctx, { ...params, roomId: '' }, body)
    return {}
  },
})

const getGlobal = endpoint({
  method: 'GET',
  path: globalPath,
  spec: 'client-server-api/#get_matrixclientv3useruseridaccount_datatype',
  auth: 'user',
  params: globalParams,
  handle({ ctx, requester, params }) {
    assertSelf(requester, params.userId)
    return accountData(ctx, { ...params, roomId: '' })
  },
})

const putInRoom = endpoint({
  method: 'PUT',
  path: roomPath,
  spec: 'client-server-api/#put_matrixclientv3useruseridroomsroomidaccount_datatype',
  auth: 'user',
  params: roomParams,
  body: jsonObject,
  async handle({ ctx, requester, params, body }) {
    assertSelf(requester, params.userId)
    await setAccountData(ctx, params, body)
    return {}
  },
})

const getInRoom = endpoint({
  method: 'GET',
  path: roomPath,
  spec: 'client-server-api/#get_matrixclientv3useruseridroomsroomidaccount_datatype',
  auth: 'user',
  params: roomParams,
  handle({ ctx, requester, params }) {
    assertSelf(requester, params.userId)
    return accountData(ctx, params)
  },
})

const deleteGlobal = endpoint({
  method: 'DELETE',
  path: [globalPath, `${unstable}/account_data/:type`],
  spec: 'MSC3391',
  auth: 'user',
  params: globalParams,
  async handle({ ctx, requester, params }) {
    assertSelf(requester, params.userId)
    await removeAccountData(ctx, { ...params, roomId: '' })
    return {}
  },
})

const deleteInRoom = endpoint({
  method: 'DELETE',
  path: [roomPath, `${unstable}/rooms/:roomId/account_data/:type`],
  spec: 'MSC3391',
  auth: 'user',
  params: roomParams,
  async handle({ ctx, requester, params }) {
    assertSelf(requester, params.userId)
    await removeAccountData(ctx, params)
    return {}
  },
})

export const accountDataEndpoints = [
  putGlobal,
  getGlobal,
  deleteGlobal,
  putInRoom,
  getInRoom,
  deleteInRoom,
]
