/**
 * What is left of the device's own keys, so that it uploads more in time. Not part of the stream:
 * the answer is as of now, and nobody is woken by it.
 */

import type { JsonObject } from '../lib/json.ts'
import type { Requester } from '../requester.ts'
import type { Context } from './context.ts'

/**
 * In every answer, also when there are none: matrix-js-sdk reads the absence of the count as zero,
 * and the absence of the types as a server without fallback keys.
 */
export async function keyCountsSection(ctx: Context, requester: Requester): Promise<JsonObject> {
  const counts: Record<string, number> = { signed_curve25519: 0 }
  const fallback: string[] = []
  for (const { algorithm, one_time: count } of await ctx.keyCounts.of(requester)) {
    if (count === null) fallback.push(algorithm)
    else counts[algorithm] = count
  }
  return { device_one_time_keys_count: counts, device_unused_fallback_key_types: fallback }
}
