/** Spans of time as people write them. */
import { longestAdvanceMs } from '../lab/time.ts'

/** Milliseconds, or text: `500ms`, `8s`, `1.5m`, `24h`, `7d`. */
export type Duration = number | `${number}${'ms' | 's' | 'm' | 'h' | 'd'}`

const unitsMs: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
}

/** More than floating-point numbers are wrong by, and less than anybody writes. */
const imprecisionMs = 1e-6

/** @throws RangeError it is no span of whole milliseconds from 0 up to a year and a day */
export function toMs(duration: Duration): number {
  const [, count, unit] = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(String(duration)) ?? []
  const exactMs =
    typeof duration === 'number' ? duration : Number(count) * (unitsMs[unit ?? ''] ?? Number.NaN)
  // 1.001 s are 1000.9999999999999 ms to a computer.
  const ms = Math.round(exactMs)
  const isWhole = Math.abs(exactMs - ms) < imprecisionMs
  if (isWhole && ms >= 0 && ms <= longestAdvanceMs) return ms
  throw new RangeError(
    `${duration} is no span of time up to 366 days: give milliseconds, or text such as '8s'`,
  )
}
