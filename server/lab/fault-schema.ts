/** What a fault may be, in the spelling of whoever orders it: over HTTP, or in the process. */
import { z } from 'zod'
import { roomId, shortText, userId } from '../http/schemas.ts'
import type { FaultKind } from './fault.ts'

export type Spelling = Readonly<Record<string, string>>

/** In our spelling, what is on the wire in theirs. */
export const ours: Spelling = {
  user_id: 'userId',
  room_id: 'roomId',
  delay_id: 'delayId',
  delay_ms: 'delayMs',
  retry_after_ms: 'retryAfterMs',
  retry_after: 'retryAfter',
}
export const theirs: Spelling = Object.fromEntries(
  Object.entries(ours).map(([wire, name]) => [name, wire]),
)

/** Without what is not given. */
export function renamed<T>(object: object, names: Spelling): Record<string, T> {
  const entries = Object.entries(object).filter(([, value]) => value !== undefined)
  return Object.fromEntries(entries.map(([name, value]) => [names[name] ?? name, value]))
}

/** Null is none of them: whoever meant somebody, and has nobody, would strike everybody. */
const scope = {
  userId: userId.optional(),
  roomId: roomId.optional(),
  delayId: shortText.min(1).optional(),
  endpoint: z.string().optional(),
  count: z.int().min(1).nullable().default(1),
  skip: z.int().min(0).default(0),
}
const delayMs = z
  .int()
  .min(1)
  .max(366 * 86_400_000)

/** With what each takes besides the scope. */
const kinds: Record<FaultKind['kind'], z.ZodRawShape> = {
  answer_lost: {},
  request_delayed: { delayMs },
  answer_delayed: { delayMs },
  rate_limited: {
    retryAfterMs: z.int().min(1).optional(),
    retryAfter: z
      .string()
      .regex(/^[\x20-\x7e]*$/)
      .nullish(),
  },
  error: { status: z.int().min(500).max(599).default(500), body: z.string().optional() },
  connection_reset: {},
  serialisation_failure: {},
}

/** Strict: a scope that is misspelt would be one that fits everything. */
export function faultSchema(names: Spelling) {
  const [first, ...others] = Object.entries(kinds).map(([kind, own]) =>
    z.strictObject({ kind: z.literal(kind), ...renamed<z.ZodType>({ ...own, ...scope }, names) }),
  )
  if (!first) throw new Error('there are no faults')
  return z.discriminatedUnion('kind', [first, ...others])
}
