/** MSC4140: which of its generations this server speaks, and what their codecs have in common. */
import type { SecretPower } from '../../../db/schema.ts'
import type { Config } from '../../config.ts'
import type { Context } from '../../context.ts'
import { MaxDelayExceeded } from '../../delayed-events/schedule.ts'
import { secretOf } from '../../delayed-events/secrets.ts'
import type { JsonObject, JsonValue } from '../../lib/json.ts'
import { invalidParam, MatrixError, unrecognized } from '../../matrix/errors.ts'

export type Dialect = keyof Config['delayed_events']['dialects']

export const isDelaying = ({ delayed_events }: Config) =>
  delayed_events.max_delay_ms > 0 && delayed_events.max_scheduled_per_user > 0

/** Is any of these spoken? Drafts of before 2024-07-24 know no other "switched off" than 404. */
export const speaks =
  (...dialects: Dialect[]) =>
  (config: Config) =>
    isDelaying(config) && dialects.some(dialect => config.delayed_events.dialects[dialect])

/** @throws 404 M_UNRECOGNIZED none of these is spoken; sent at once it would be, if we went on */
export function assertLegacy(ctx: Context, ...dialects: Dialect[]): void {
  if (!speaks(...dialects)(ctx.config)) throw unrecognized()
}

/** @throws 400 M_INVALID_PARAM not a whole number of seconds above 0 */
export function msOf(seconds: JsonValue, name: string): number {
  const ms = typeof seconds === 'number' && Number.isInteger(seconds) ? seconds * 1_000 : 0
  if (ms <= 0 || !Number.isSafeInteger(ms)) {
    throw invalidParam(`${name} is not a number of seconds above 0`)
  }
  return ms
}

/** Say in the words of the drafts of 2024-07 that a delay is too long. */
export async function inLegacyWords<T>(isUnstable: boolean, run: () => Promise<T>): Promise<T> {
  try {
    return await run()
  } catch (error) {
    if (!(error instanceof MaxDelayExceeded)) throw error
    const errcode = 'M_FUTURE_MAX_TIMEOUT_EXCEEDED'
    throw isUnstable
      ? new MatrixError(400, 'M_UNKNOWN', error.message, {
          'org.matrix.msc4140.errcode': errcode,
          'org.matrix.msc4140.timeout_duration': error.maxDelayMs,
        })
      : new MatrixError(400, errcode, error.message, { timeout_duration: error.maxDelayMs })
  }
}

/** Where an answer that is stored stands in for secrets, which are not. */
const marker = 'secrets'

/** An answer to be completed with secrets of a delayed event, each under its name. */
export function answerWithSecrets(
  answer: JsonObject,
  delayId: string,
  names: Record<string, SecretPower>,
): JsonObject {
  return { ...answer, [marker]: { delay_id: delayId, names } }
}

/** For {@link Declaration.complete}. */
export function completeWithSecrets(ctx: Context, answer: JsonObject): JsonObject {
  const { [marker]: wanted, ...rest } = answer
  if (wanted === undefined) return answer
  const { delay_id, names } = wanted as { delay_id: string; names: Record<string, SecretPower> }
  for (const [name, power] of Object.entries(names)) rest[name] = secretOf(ctx, delay_id, power)
  return rest
}
