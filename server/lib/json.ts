/** JSON as TypeScript sees it, and the checks that need no Matrix. */

export type JsonValue = string | number | boolean | null | JsonValue[] | JsonObject
export interface JsonObject {
  [key: string]: JsonValue
}

/** True for `{…}`: not null, not an array. */
export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** True if a number in it was too large to be kept, such as 1e400: JSON.parse makes it infinite. */
export function holdsInfinity(value: JsonValue): boolean {
  const pending: JsonValue[] = [value]
  while (pending.length > 0) {
    const next = pending.pop()
    if (typeof next === 'number' && !Number.isFinite(next)) return true
    if (typeof next !== 'object' || next === null) continue
    for (const child of Object.values(next)) pending.push(child)
  }
  return false
}

/**
 * True if some array or object lies more than `maxDepth` levels deep. Walks with its own stack, so
 * a body of a million brackets cannot overflow ours.
 */
export function isDeeperThan(value: JsonValue, maxDepth: number): boolean {
  const pending: { value: JsonValue; depth: number }[] = [{ value, depth: 1 }]
  for (let next = pending.pop(); next; next = pending.pop()) {
    if (typeof next.value !== 'object' || next.value === null) continue
    if (next.depth > maxDepth) return true
    for (const child of Object.values(next.value)) {
      if (typeof child === 'object' && child !== null) {
        pending.push({ value: child, depth: next.depth + 1 })
      }
    }
  }
  return false
}
