/** What every answer must be like, and every refusal. */
import type { RawAnswer } from './raw-http.ts'

/** Client-Server API "Standard error response", v1.12, what endpoints add, MSC4140, MSC4186, MSC4306, MSC4155 and MSC4380. */
const errcodes = new Set(
  `M_FORBIDDEN M_UNKNOWN_TOKEN M_MISSING_TOKEN M_USER_LOCKED M_USER_SUSPENDED M_BAD_JSON M_NOT_JSON
  M_NOT_FOUND M_LIMIT_EXCEEDED M_UNRECOGNIZED M_UNKNOWN M_UNAUTHORIZED M_USER_DEACTIVATED
  M_USER_IN_USE M_INVALID_USERNAME M_ROOM_IN_USE M_INVALID_ROOM_STATE M_THREEPID_IN_USE
  M_THREEPID_NOT_FOUND M_THREEPID_AUTH_FAILED M_THREEPID_DENIED M_SERVER_NOT_TRUSTED
  M_UNSUPPORTED_ROOM_VERSION M_INCOMPATIBLE_ROOM_VERSION M_BAD_STATE M_GUEST_ACCESS_FORBIDDEN
  M_CAPTCHA_NEEDED M_CAPTCHA_INVALID M_MISSING_PARAM M_INVALID_PARAM M_TOO_LARGE M_EXCLUSIVE
  M_KEY_TOO_LARGE M_PROFILE_TOO_LARGE
  M_RESOURCE_LIMIT_EXCEEDED M_CANNOT_LEAVE_SERVER_NOTICE_ROOM M_THREEPID_MEDIUM_NOT_SUPPORTED
  M_WEAK_PASSWORD M_BAD_ALIAS M_URL_NOT_SET M_CONNECTION_FAILED M_CONNECTION_TIMEOUT
  M_DUPLICATE_ANNOTATION M_NOT_YET_UPLOADED M_CANNOT_OVERWRITE_MEDIA M_UNABLE_TO_AUTHORISE_JOIN
  M_UNABLE_TO_GRANT_JOIN M_INVALID_SIGNATURE M_WRONG_ROOM_KEYS_VERSION
  M_MAX_DELAY_EXCEEDED M_MAX_DELAYED_EVENTS_EXCEEDED M_FUTURE_MAX_TIMEOUT_EXCEEDED
  M_UNKNOWN_FUTURE_GROUP M_UNKNOWN_FUTURE_PARENT_FUTURE_ID M_UNKNOWN_POS
  IO.ELEMENT.MSC4306.M_NOT_IN_THREAD IO.ELEMENT.MSC4306.M_CONFLICTING_UNSUBSCRIPTION
  M_INVITE_BLOCKED ORG.MATRIX.MSC4155.M_INVITE_BLOCKED`.split(/\s+/),
)

const corsHeaders: Record<string, RegExp> = {
  'access-control-allow-origin': /^\*$/,
  'access-control-allow-methods': /GET.*POST.*PUT.*DELETE.*OPTIONS/,
  'access-control-allow-headers': /Content-Type.*Authorization/,
}

/** What is wrong with an answer to hostile input; undefined if nothing is. */
export function complaintAbout(answer: RawAnswer): string | undefined {
  const { status, headers, body } = answer
  for (const [name, pattern] of Object.entries(corsHeaders)) {
    if (!pattern.test(String(headers[name]))) return `${name}: ${headers[name]}`
  }
  const contentType = String(headers['content-type'])
  const isFile = status === 200 && ['text/plain', 'image/png'].includes(contentType)
  if (contentType !== 'application/json' && !isFile) return `Content-Type: ${contentType}`
  if (status >= 200 && status < 300) return undefined
  if (status < 400 || status > 499) return `status ${status} ${answer.text}`
  const isChallenge = status === 401 && Array.isArray(body.flows)
  if (isChallenge && body.errcode === undefined) return undefined
  if (!errcodes.has(String(body.errcode))) return `errcode ${body.errcode}`
  return typeof body.error === 'string' && body.error !== '' ? undefined : 'no error in words'
}

/** `400 M_BAD_JSON`, to be compared. */
export const gist = ({ status, body }: Pick<RawAnswer, 'status' | 'body'>) =>
  [status, body.errcode].filter(Boolean).join(' ')
