/**
 * The protocol's refusals: one class, and one small function for each errcode.
 *
 * They know HTTP status because in Matrix status and errcode are one vocabulary, and because a
 * delayed event that fails when due stores the very same object with no HTTP in sight.
 *
 * Spec: Client-Server API "Standard error response".
 */
import type { JsonObject } from '../lib/json.ts'

export class MatrixError extends Error {
  readonly status: number
  readonly errcode: string
  readonly fields: JsonObject

  constructor(status: number, errcode: string, message: string, fields: JsonObject = {}) {
    super(message)
    this.name = 'MatrixError'
    this.status = status
    this.errcode = errcode
    this.fields = fields
  }

  /** The body a client reads: `{ errcode, error, … }`. */
  toJSON(): JsonObject {
    return { errcode: this.errcode, error: this.message, ...this.fields }
  }
}

/** 403 M_FORBIDDEN */
export const forbidden = (message: string) => new MatrixError(403, 'M_FORBIDDEN', message)

/** 404 M_NOT_FOUND: the path is known, the thing is not. */
export const notFound = (message: string) => new MatrixError(404, 'M_NOT_FOUND', message)

/** 404 M_UNRECOGNIZED: no such path. matrix-js-sdk and Element Call start their fallbacks on it. */
export const unrecognized = () =>
  new MatrixError(404, 'M_UNRECOGNIZED', 'This server has no such endpoint')

/** 405 M_UNRECOGNIZED: the path is known, the method is not. */
export const methodNotAllowed = () =>
  new MatrixError(405, 'M_UNRECOGNIZED', 'This endpoint does not have that method')

/** 401 M_MISSING_TOKEN */
export const missingToken = () => new MatrixError(401, 'M_MISSING_TOKEN', 'Missing access token')

/** 401 M_UNKNOWN_TOKEN; `softLogout` says that the device, and its keys, are still there. */
export const unknownToken = (softLogout = false) =>
  new MatrixError(401, 'M_UNKNOWN_TOKEN', 'Unknown access token', { soft_logout: softLogout })

/** 400 M_NOT_JSON: the bytes are not JSON in UTF-8. */
export const notJson = (message = 'The body is not JSON') =>
  new MatrixError(400, 'M_NOT_JSON', message)

/** 400 M_BAD_JSON: JSON, but not of the shape that is asked for. */
export const badJson = (message: string) => new MatrixError(400, 'M_BAD_JSON', message)

/** 400 M_MISSING_PARAM */
export const missingParam = (message: string) => new MatrixError(400, 'M_MISSING_PARAM', message)

/** 400 M_INVALID_PARAM */
export const invalidParam = (message: string) => new MatrixError(400, 'M_INVALID_PARAM', message)

/** 413 M_TOO_LARGE */
export const tooLarge = (message: string) => new MatrixError(413, 'M_TOO_LARGE', message)

/** 429 M_LIMIT_EXCEEDED; the error handler adds `Retry-After` from the same figure, above 0. */
export const limitExceeded = (retryAfterMs: number) =>
  new MatrixError(429, 'M_LIMIT_EXCEEDED', 'Too many requests', {
    retry_after_ms: Math.max(1, Math.ceil(retryAfterMs)),
  })

/** 400 M_USER_IN_USE */
export const userInUse = () => new MatrixError(400, 'M_USER_IN_USE', 'That user ID is taken')

/** 400 M_EXCLUSIVE: an application service's, or not yours who are one. */
export const exclusive = (message: string) => new MatrixError(400, 'M_EXCLUSIVE', message)

/** 400 M_INVALID_USERNAME */
export const invalidUsername = (message: string) =>
  new MatrixError(400, 'M_INVALID_USERNAME', message)

/** 403 M_THREEPID_DENIED: nobody is found here by an address. */
export const threepidDenied = () =>
  new MatrixError(
    403,
    'M_THREEPID_DENIED',
    'No identity server is asked here: only user IDs can be invited',
  )

/** 400 M_ROOM_IN_USE: the alias is taken. */
export const roomInUse = (message: string) => new MatrixError(400, 'M_ROOM_IN_USE', message)

/** 400 M_INVALID_ROOM_STATE: the room would not be valid. */
export const invalidRoomState = (message: string) =>
  new MatrixError(400, 'M_INVALID_ROOM_STATE', message)

/** 400 M_UNSUPPORTED_ROOM_VERSION */
export const unsupportedRoomVersion = (version: string) =>
  new MatrixError(400, 'M_UNSUPPORTED_ROOM_VERSION', `Room version ${version} is not supported`)

/** 403 M_BAD_STATE: what is to be changed is not as it would have to be. */
export const badState = (message: string) => new MatrixError(403, 'M_BAD_STATE', message)

/** 403 M_GUEST_ACCESS_FORBIDDEN */
export const guestAccessForbidden = (message: string) =>
  new MatrixError(403, 'M_GUEST_ACCESS_FORBIDDEN', message)

/** 403 M_USER_DEACTIVATED */
export const userDeactivated = () =>
  new MatrixError(403, 'M_USER_DEACTIVATED', 'This account has been deactivated')

/** 401 M_USER_LOCKED: the session is kept, and the device with its keys. */
export const userLocked = () =>
  new MatrixError(401, 'M_USER_LOCKED', 'This account has been locked', { soft_logout: true })

/** 403 M_USER_SUSPENDED */
export const userSuspended = () =>
  new MatrixError(403, 'M_USER_SUSPENDED', 'This account has been suspended')

/** 504 M_NOT_YET_UPLOADED */
export const notYetUploaded = () =>
  new MatrixError(504, 'M_NOT_YET_UPLOADED', 'Nothing has been uploaded there yet')

/** 409 M_CANNOT_OVERWRITE_MEDIA */
export const cannotOverwriteMedia = () =>
  new MatrixError(409, 'M_CANNOT_OVERWRITE_MEDIA', 'Something has been uploaded there already')

/** 400 M_INVALID_SIGNATURE: the signature is missing, or does not fit the key or what it signs. */
export const invalidSignature = (message: string) =>
  new MatrixError(400, 'M_INVALID_SIGNATURE', message)

/** 403 M_WRONG_ROOM_KEYS_VERSION: the key backup has been superseded by `currentVersion`. */
export const wrongRoomKeysVersion = (currentVersion: string) =>
  new MatrixError(403, 'M_WRONG_ROOM_KEYS_VERSION', 'That is not the current backup', {
    current_version: currentVersion,
  })

/** 400 M_UNKNOWN: a refusal for which the specification has no better word. */
export const unknown = (message: string, status = 400) =>
  new MatrixError(status, 'M_UNKNOWN', message)
