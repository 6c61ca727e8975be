/** Pieces that endpoints describe their input with, and how a mismatch is told to the client. */
import { z } from 'zod'
import { isJsonObject, type JsonObject } from '../lib/json.ts'
import { isStorable } from '../lib/storable.ts'
import { badJson, invalidParam, type MatrixError, missingParam } from '../matrix/errors.ts'
import { isEventId, isRoomAlias, isRoomId, isUserId } from '../matrix/ids.ts'

/** A string that may become a text column. */
export const text = z.string().refine(isStorable, 'has characters that cannot be kept')

/** A token that may be left out. Older matrix-nio sends an empty one for none. */
export const optionalToken = text.optional().transform(token => token || undefined)

/** At most 255 bytes, as every id and type in Matrix. */
export const shortText = text.refine(
  value => Buffer.byteLength(value) <= 255,
  'is longer than 255 bytes',
)

export const roomId = shortText.refine(isRoomId, 'is not a room ID')
export const userId = shortText.refine(isUserId, 'is not a user ID')
export const eventId = shortText.refine(isEventId, 'is not an event ID')
export const roomAlias = shortText.refine(isRoomAlias, 'is not a room alias')
export const roomIdOrAlias = shortText.refine(
  value => isRoomId(value) || isRoomAlias(value),
  'is neither a room ID nor a room alias',
)
export const eventType = shortText.min(1)
export const deviceId = shortText.min(1)
export const displayName = shortText
/** No longer than a profile takes it. Empty: none. */
export const avatarUrl = text
  .refine(value => value === '' || value.startsWith('mxc://'), 'is not an mxc:// URI')
  .refine(value => Buffer.byteLength(value) <= 1_000, 'is longer than 1000 bytes')

/** Event content and the like: checked to be an object and handed on as it is, not copied. */
export const jsonObject = z.custom<JsonObject>(isJsonObject, {
  error: 'is not a JSON object',
  params: { isTypeCheck: true },
})

/** Event content of which one member has a type of its own; the others are handed on. */
export const contentWithReason = z
  .looseObject({ reason: text.optional() })
  .transform(content => content as JsonObject & { reason?: string })

/** A member that may be missing. Null counts as missing: clients fill what they lack with it. */
export function optional<T extends z.ZodType>(schema: T) {
  return schema.nullish().transform(value => value ?? undefined)
}

/** A whole number in a query string, from 0 up. */
export const queryInteger = z
  .string()
  .regex(/^\d{1,15}$/, 'is not a whole number from 0 up')
  .transform(Number)

/** How many to give at once: a whole number from 1 up. */
export const pageSize = queryInteger.refine(size => size > 0, 'is not a whole number from 1 up')

/** `true` or `false` in a query string. */
export const queryBoolean = z.enum(['true', 'false']).transform(value => value === 'true')

/** Of a request; `fault`: what the laboratory is given without one. */
export type Part = 'path' | 'query' | 'body' | 'fault'

/**
 * Check `input` against `schema`.
 *
 * @throws 400 M_MISSING_PARAM for what is missing; M_BAD_JSON for a wrong type in a body;
 *   M_INVALID_PARAM for any other wrong value
 */
export function parse<T extends z.ZodType>(schema: T, input: unknown, part: Part): z.infer<T> {
  const parsed = schema.safeParse(input)
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  if (!issue) throw badJson('The body has the wrong shape')
  throw refusalOf(issue, input, part)
}

function refusalOf(issue: z.core.$ZodIssue, input: unknown, part: Part): MatrixError {
  const path = issue.path.join('.')
  const name = path || `The ${part}`
  const value = issue.path.reduce<unknown>(
    (at, key) => (typeof at === 'object' && at !== null ? Reflect.get(at, key) : undefined),
    input,
  )
  if (value === undefined && path) return missingParam(`${name} is missing`)
  const isWrongType =
    issue.code === 'invalid_type' ||
    issue.code === 'invalid_union' ||
    (issue.code === 'invalid_value' && typeof value !== typeof issue.values[0]) ||
    // A refusal of text is about its value; any other check of ours is about the type.
    (issue.code === 'custom' && (issue.params?.isTypeCheck || typeof value !== 'string'))
  if (part === 'body' && isWrongType) return badJson(`${name}: ${issue.message}`)
  return invalidParam(`${name}: ${issue.message}`)
}
