/**
 * MSC4140 and MSC4486: which list of delayed events is asked for, and one page of it.
 *
 * A token holds the whole question, so that the next page needs nothing but the token: which list,
 * its filters, its direction, and where the page before ended. It works for whoever asks, on their
 * own delayed events.
 */
import { z } from 'zod'
import type { DelayedEventRow } from '../../../db/delayed-events.ts'
import { keyOf, selectDelayedEvents } from '../../../db/delayed-events-lists.ts'
import type { Context } from '../../context.ts'
import { eventType, roomId } from '../../http/schemas.ts'
import { invalidParam } from '../../matrix/errors.ts'
import type { Requester } from '../../requester.ts'

export const statuses = ['scheduled', 'finalised', 'sent', 'cancelled', 'failed'] as const

const list = z.strictObject({
  /**
   * `both` is what a request without a query gets, continued: what is over, beside what is
   * scheduled. `flat` is one list whatever the status, in the order of sending; `ordered` the same
   * in an order of one's choice.
   */
  kind: z.enum(['both', 'scheduled', 'finalised', 'flat', 'ordered']),
  status: z.enum(statuses).optional(),
  dir: z.enum(['f', 'b']),
  roomId: roomId.optional(),
  type: eventType.optional(),
  /** Unix ms of the time of sending, both inclusive. */
  fromTs: z.int().min(0).optional(),
  toTs: z.int().min(0).optional(),
  order: z.enum(['send_at', 'end', 'since_ts']).optional(),
  outcome: z.enum(['sent', 'cancelled', 'failed']).optional(),
  reason: z.enum(['action', 'delay']).optional(),
})

/** Where a page ended: the value it is sorted by, and the order of scheduling. */
const after = z.tuple([z.int().min(0), z.int().min(0)])

export type List = z.infer<typeof list>
export type ListKind = List['kind']

export interface Page {
  list: List
  rows: DelayedEventRow[]
  /** Undefined: this was the last one. */
  nextBatch: string | undefined
}

/** What is sent, or fails, when its delay is over, and what somebody asked for. */
const causesOf = { action: ['action', 'group'], delay: ['delay', 'error'] } as const

/** What a list asks of the table, but for whose it is and which page. */
export function questionOf(list: List) {
  const { kind, dir, reason, order = 'send_at', ...filters } = list
  const isByEnd = kind === 'finalised' || kind === 'both'
  return {
    ...filters,
    causes: reason && causesOf[reason],
    order: isByEnd ? ('finalised_ts' as const) : order,
    direction: dir === 'f' ? ('forwards' as const) : ('backwards' as const),
  }
}

/**
 * The page of a list, from the beginning or from where another ended.
 *
 * @param asked.startTs Unix ms; where the beginning is, by what it is ordered by. Inclusive.
 */
export async function readPage(
  ctx: Context,
  requester: Requester,
  asked: List & { after?: z.infer<typeof after>; startTs?: number | undefined },
): Promise<Page> {
  const { after: end, startTs, ...wanted } = asked
  const size = ctx.config.delayed_events.list_page_size
  const question = questionOf(wanted)
  const found = await selectDelayedEvents(ctx.db, {
    ...question,
    userId: requester.userId,
    start: startTs,
    after: end,
    // One more, which tells whether there is a next page.
    limit: size === 0 ? undefined : size + 1,
  })
  const rows = size === 0 ? found : found.slice(0, size)
  const last = found.length > rows.length ? rows.at(-1) : undefined
  return {
    list: wanted,
    rows,
    nextBatch: last && formatToken({ ...wanted, after: [keyOf(last, question.order), last.seq] }),
  }
}

const token = z.strictObject({ ...list.shape, after })

function formatToken(value: z.infer<typeof token>): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url')
}

/**
 * @param kinds of which lists it may speak here
 * @throws 400 M_INVALID_PARAM this server has not given it out, or not for this list
 */
export function parseToken(
  value: string,
  kinds: readonly ListKind[] = list.shape.kind.options,
): z.infer<typeof token> {
  const parsed = token.safeParse(jsonIn(value))
  if (!parsed.success || !kinds.includes(parsed.data.kind)) {
    throw invalidParam('from: is not a token of this list')
  }
  return parsed.data
}

function jsonIn(value: string): unknown {
  try {
    return JSON.parse(Buffer.from(value, 'base64url').toString())
  } catch {
    return undefined
  }
}
