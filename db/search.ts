/** Full text search, by PostgreSQL's own: words of events, and the index that finds them. */
import { type ExpressionBuilder, type RawBuilder, sql } from 'kysely'
import { passes, type TimelineFilter } from './events.ts'
import { isNotIgnored, isReadable, type RoomRanges } from './relations.ts'
import type { EventRow, Schema, SearchableKey } from './schema.ts'
import type { Db, Tx } from './transaction.ts'

/** No stemming and no stop words: rooms speak all languages, often several. */
const language = sql.lit('simple')

/** No text has such a word: the parser keeps no spaces. */
const roomWord = (roomId: string) => `room ${roomId}`

/** A text, and the event that it is of. */
export interface SearchableText {
  event_id: string
  room_id: string
  position: number
  key: SearchableKey
  text: string
}

/** Part of a statement: the texts' rows are inserted. */
export const insertTexts = (texts: readonly SearchableText[]): RawBuilder<unknown> => sql`
  INSERT INTO searchable_texts (event_id, room_id, position, key, words)
  SELECT event_id, room_id, position, key,
    to_tsvector(${language}, text) || array_to_tsvector(ARRAY[room_word])
  FROM unnest(
    ${texts.map(one => one.event_id)}::text[],
    ${texts.map(one => one.room_id)}::text[],
    ${texts.map(one => one.position)}::bigint[],
    ${texts.map(one => one.key)}::text[],
    ${texts.map(one => one.text)}::text[],
    ${texts.map(one => roomWord(one.room_id))}::text[]
  ) AS given (event_id, room_id, position, key, text, room_word)`

export async function deleteSearchableText(tx: Tx, eventId: string): Promise<void> {
  await tx.q.deleteFrom('searchable_texts').where('event_id', '=', eventId).execute()
}

export interface SearchQuery {
  /** What a user types; `"a phrase"`, `or` and `-without` mean what they do elsewhere. */
  term: string
  keys: readonly SearchableKey[]
  rooms: readonly RoomRanges[]
  filter: TimelineFilter
  /** Senders of whom only state is to be found. */
  ignored: ReadonlySet<string>
}

/** The last result of the page before. Without `rank`, in the order of time. */
export interface SearchCursor {
  position: number
  rank?: number | undefined
}

const rank = (term: string) =>
  sql<number>`ts_rank(words, websearch_to_tsquery(${language}, ${term}))::float8`

function matching(db: Db, query: SearchQuery) {
  const rooms = query.rooms.map(({ roomId }) => quoted(roomWord(roomId))).join(' | ')
  const words = sql`websearch_to_tsquery(${language}, ${query.term})`
  return (
    db.q
      .selectFrom('searchable_texts')
      .innerJoin('events', 'events.event_id', 'searchable_texts.event_id')
      // A question without a word in it would find everything.
      .where(sql<boolean>`numnode(${words}) > 0`)
      .where(sql<boolean>`words @@ (${words} && ${rooms}::tsquery)`)
      .where('key', '=', sql<SearchableKey>`ANY(${[...query.keys]}::text[])`)
      .where(isReadable('searchable_texts', query.rooms))
      .where(isNotIgnored('events', query.ignored))
      // Its columns are those of `events` only.
      .where(eb => passes(eb as unknown as ExpressionBuilder<Schema, 'events'>, query.filter))
  )
}

/** A word as it stands in the text form of a tsquery. */
const quoted = (word: string) => `'${word.replace(/['\\]/g, '$&$&')}'`

/** How many there are, counted no further than `most`. */
export async function countMatches(db: Db, query: SearchQuery, most: number): Promise<number> {
  if (query.rooms.length === 0) return 0
  const row = await db.q
    .selectFrom(matching(db, query).select('events.event_id').limit(most).as('found'))
    .select(({ fn }) => fn.countAll<number>().as('count'))
    .executeTakeFirstOrThrow()
  return row.count
}

/** By rank, the best first and of equals the oldest; or the latest first. */
export async function selectMatches(
  db: Db,
  query: SearchQuery,
  page: { orderBy: 'rank' | 'recent'; after: SearchCursor | undefined; limit: number },
): Promise<(EventRow & { rank: number })[]> {
  if (query.rooms.length === 0) return []
  const { after } = page
  const found = matching(db, query)
    .selectAll('events')
    .select(rank(query.term).as('rank'))
    .limit(page.limit)
  const position = sql.ref('searchable_texts.position')
  if (page.orderBy === 'recent') {
    return found
      .$if(after !== undefined, matches =>
        matches.where(sql<boolean>`${position} < ${after?.position ?? 0}`),
      )
      .orderBy('searchable_texts.position', 'desc')
      .execute()
  }
  return found
    .$if(after !== undefined, matches =>
      matches.where(
        sql<boolean>`(-${rank(query.term)}, ${position}) > (${-(after?.rank ?? 0)}::float8, ${after?.position ?? 0}::bigint)`,
      ),
    )
    .orderBy(rank(query.term), 'desc')
    .orderBy('searchable_texts.position')
    .execute()
}
