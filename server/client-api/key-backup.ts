/** Spec: Client-Server API "Server-side key backups" */
import { z } from 'zod'
import {
  type BackedUpSession,
  createBackup,
  describeBackup,
  readSessions,
  removeBackup,
  removeSessions,
  storeSessions,
  updateBackup,
} from '../encryption/key-backup.ts'
import { endpoint } from '../http/endpoint.ts'
import { jsonObject, optional, roomId, shortText, text } from '../http/schemas.ts'
import type { JsonObject } from '../lib/json.ts'
import { invalidParam, notFound } from '../matrix/errors.ts'

const versionPath = '/_matrix/client/v3/room_keys/version'
const keysPath = '/_matrix/client/v3/room_keys/keys'

const backup = z.looseObject({ algorithm: text.min(1), auth_data: jsonObject })

const postVersion = endpoint({
  method: 'POST',
  path: versionPath,
  spec: 'client-server-api/#post_matrixclientv3room_keysversion',
  auth: 'user',
  body: backup,
  async handle({ ctx, requester, body }) {
    const { algorithm, auth_data: authData } = body
    return { version: await createBackup(ctx, requester, { algorithm, authData }) }
  },
})

const getCurrentVersion = endpoint({
  method: 'GET',
  path: versionPath,
  spec: 'client-server-api/#get_matrixclientv3room_keysversion',
  auth: 'user',
  handle: ({ ctx, requester }) => describeBackup(ctx, requester),
})

const versionParams = z.object({ version: text })

const getVersion = endpoint({
  method: 'GET',
  path: `${versionPath}/:version`,
  spec: 'client-server-api/#get_matrixclientv3room_keysversionversion',
  auth: 'user',
  params: versionParams,
  handle: ({ ctx, requester, params }) => describeBackup(ctx, requester, params.version),
})

const putVersion = endpoint({
  method: 'PUT',
  path: `${versionPath}/:version`,
  spec: 'client-server-api/#put_matrixclientv3room_keysversionversion',
  auth: 'user',
  params: versionParams,
  body: backup.extend({ version: optional(text) }),
  async handle({ ctx, requester, params, body }) {
    if (body.version !== undefined && body.version !== params.version) {
      throw invalidParam('The version in the body is not that of the path')
    }
    const { algorithm, auth_data: authData } = body
    await updateBackup(ctx, requester, params.version, { algorithm, authData })
    return {}
  },
})

const deleteVersion = endpoint({
  method: 'DELETE',
  path: `${versionPath}/:version`,
  spec: 'client-server-api/#delete_matrixclientv3room_keysversionversion',
  auth: 'user',
  params: versionParams,
  async handle({ ctx, requester, params }) {
    await removeBackup(ctx, requester, params.version)
    return {}
  },
})

/** `KeyBackupData` */
const session = z.looseObject({
  first_message_index: z.int().min(0),
  forwarded_count: z.int().min(0),
  is_verified: z.boolean(),
  session_data: jsonObject,
})
/** `RoomKeyBackup` */
const room = z.looseObject({ sessions: z.record(shortText.min(1), session) })

const backedUp = (
  roomId: string,
  sessionId: string,
  data: z.infer<typeof session>,
): BackedUpSession => ({
  roomId,
  sessionId,
  firstMessageIndex: data.first_message_index,
  forwardedCount: data.forwarded_count,
  isVerified: data.is_verified,
  sessionData: data.session_data,
})

const sessionsOf = (roomId: string, { sessions }: z.infer<typeof room>): BackedUpSession[] =>
  Object.entries(sessions).map(([sessionId, data]) => backedUp(roomId, sessionId, data))

const query = z.object({ version: text })
const roomParams = z.object({ roomId })
const sessionParams = z.object({ roomId, sessionId: shortText.min(1) })

const putAll = endpoint({
  method: 'PUT',
  path: keysPath,
  spec: 'client-server-api/#put_matrixclientv3room_keyskeys',
  auth: 'user',
  query,
  body: z.looseObject({ rooms: z.record(roomId, room) }),
  handle({ ctx, requester, query, body }) {
    const sessions = Object.entries(body.rooms).flatMap(([id, ofRoom]) => sessionsOf(id, ofRoom))
    return storeSessions(ctx, requester, query.version, sessions)
  },
})

const putRoom = endpoint({
  method: 'PUT',
  path: `${keysPath}/:roomId`,
  spec: 'client-server-api/#put_matrixclientv3room_keyskeysroomid',
  auth: 'user',
  params: roomParams,
  query,
  body: room,
  handle({ ctx, requester, params, query, body }) {
    return storeSessions(ctx, requester, query.version, sessionsOf(params.roomId, body))
  },
})

const putSession = endpoint({
  method: 'PUT',
  path: `${keysPath}/:roomId/:sessionId`,
  spec: 'client-server-api/#put_matrixclientv3room_keyskeysroomidsessionid',
  auth: 'user',
  params: sessionParams,
  query,
  body: session,
  handle({ ctx, requester, params, query, body }) {
    const sessions = [backedUp(params.roomId, params.sessionId, body)]
    return storeSessions(ctx, requester, query.version, sessions)
  },
})

const sessionsOnWire = (sessions: Map<string, JsonObject> | undefined): JsonObject => ({
  sessions: Object.fromEntries(sessions ?? []),
})

const getAll = endpoint({
  method: 'GET',
  path: keysPath,
  spec: 'client-server-api/#get_matrixclientv3room_keyskeys',
  auth: 'user',
  query,
  async handle({ ctx, requester, query }) {
    const rooms = await readSessions(ctx, requester, query.version, {})
    return { rooms: Object.fromEntries([...rooms].map(([id, of]) => [id, sessionsOnWire(of)])) }
  },
})

const getRoom = endpoint({
  method: 'GET',
  path: `${keysPath}/:roomId`,
  spec: 'client-server-api/#get_matrixclientv3room_keyskeysroomid',
  auth: 'user',
  params: roomParams,
  query,
  async handle({ ctx, requester, params, query }) {
    const rooms = await readSessions(ctx, requester, query.version, params)
    return sessionsOnWire(rooms.get(params.roomId))
  },
})

const getSession = endpoint({
  method: 'GET',
  path: `${keysPath}/:roomId/:sessionId`,
  spec: 'client-server-api/#get_matrixclientv3room_keyskeysroomidsessionid',
  auth: 'user',
  params: sessionParams,
  query,
  async handle({ ctx, requester, params, query }) {
    const rooms = await readSessions(ctx, requester, query.version, params)
    const found = rooms.get(params.roomId)?.get(params.sessionId)
    if (!found) throw notFound('That session is not in the backup')
    return found
  },
})

const deleteAll = endpoint({
  method: 'DELETE',
  path: keysPath,
  spec: 'client-server-api/#delete_matrixclientv3room_keyskeys',
  auth: 'user',
  query,
  handle: ({ ctx, requester, query }) => removeSessions(ctx, requester, query.version, {}),
})

const deleteRoom = endpoint({
  method: 'DELETE',
  path: `${keysPath}/:roomId`,
  spec: 'client-server-api/#delete_matrixclientv3room_keyskeysroomid',
  auth: 'user',
  params: roomParams,
  query,
  handle: ({ ctx, requester, params, query }) =>
    removeSessions(ctx, requester, query.version, params),
})

const deleteSession = endpoint({
  method: 'DELETE',
  path: `${keysPath}/:roomId/:sessionId`,
  spec: 'client-server-api/#delete_matrixclientv3room_keyskeysroomidsessionid',
  auth: 'user',
  params: sessionParams,
  query,
  handle: ({ ctx, requester, params, query }) =>
    removeSessions(ctx, requester, query.version, params),
})

export const keyBackupEndpoints = [
  ...[postVersion, getCurrentVersion, getVersion, putVersion, deleteVersion],
  ...[putAll, getAll, deleteAll],
  ...[putRoom, getRoom, deleteRoom],
  ...[putSession, getSession, deleteSession],
]
