/** Kinds of values that more than one option has. */
import { z } from 'zod'
import { isAddressRange } from '../lib/address-ranges.ts'

export const durationMs = z.int().min(0)
export const ranges = z.array(
  z.string().refine(isAddressRange, 'is neither an IP address nor a network'),
)
