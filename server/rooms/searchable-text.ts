/** Which words of an event can be searched for. */

import type { EventRow, SearchableKey } from '../../db/schema.ts'
import { deleteSearchableText, type SearchableText } from '../../db/search.ts'
import type { Tx } from '../../db/transaction.ts'
import type { JsonObject } from '../lib/json.ts'

export const searchableKeys = ['content.body', 'content.name', 'content.topic'] as const

const keyOfType: Record<string, SearchableKey> = {
  'm.room.message': 'content.body',
  'm.room.name': 'content.name',
  'm.room.topic': 'content.topic',
}

/** What events can be found by, as far as they have a text. */
export function textsOf(
  events: readonly { row: Omit<EventRow, 'pdu'>; draft: { content: JsonObject } }[],
): SearchableText[] {
  return events.flatMap(({ row, draft }) => {
    const key = Object.hasOwn(keyOfType, row.type) ? keyOfType[row.type] : undefined
    if (key === undefined || (row.state_key === null) !== (key === 'content.body')) return []
    const text = draft.content[key.slice('content.'.length)]
    if (typeof text !== 'string' || text === '') return []
    const { event_id, room_id, position } = row
    // PostgreSQL has no place for a NUL or half a surrogate, and no word has one.
    return [{ event_id, room_id, position, key, text: text.replace(/[\0\p{Surrogate}]/gu, ' ') }]
  })
}

/** The event is redacted: nobody finds it any more. */
export async function forgetText(tx: Tx, event: EventRow): Promise<void> {
  if (Object.hasOwn(keyOfType, event.type)) await deleteSearchableText(tx, event.event_id)
}
