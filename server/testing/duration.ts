/** Spans of time as people write them. */

/** Milliseconds, or text: `500ms`, `8s`, `1.5m`, `24h`, `7d`. */
export type Duration = number | `${number}${'ms' | 's' | 'm' | 'h' | 'd'}`

const unitsMs: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
}

/** @throws RangeError it is no span of whole milliseconds from 0 up */
export function toMs(duration: Duration): number {
  const [, count, unit] = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(String(duration)) ?? []
  const ms =
    typeof duration === 'number' ? duration : Number(count) * (unitsMs[unit ?? ''] ?? Number.NaN)
  if (Number.isSafeInteger(ms) && ms >= 0) return ms
  throw new RangeError(`${duration} is no span of time: give milliseconds, or text such as '8s'`)
}
