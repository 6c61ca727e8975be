/** Full text search, by PostgreSQL's own: words of events, and the index that finds them. */
import { type ExpressionBuilder, type RawBuilder, sql } from 'kysely'
import { passes, type TimelineFilter } from './events.ts'
import { isNotIgnored, isReadable, type RoomRanges } from './relations.ts'
import type { EventRow, Schema, SearchableKey, SearchableTextRow } from './schema.ts'
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

export interface SearchPage {
  orderBy: 'rank' | 'recent'
  after: SearchCursor | undefined
  limit: number
}

const rank = (term: string) => sql<number>`ts_rank(words, ${asWords(term)})::float8`

/** All texts; or the latest ones, up to a position (inclusive). */
export type Texts = 'all' | { upTo: number }

/** So many of the latest texts are looked at one by one, divided among the rooms … */
const mostTexts = 2_000
/** … but of each as many as this. */
const fewestTexts = 50

function matching(db: Db, query: SearchQuery, texts: Texts) {
  const rooms = query.rooms.map(({ roomId }) => quoted(roomWord(roomId))).join(' | ')
  const words = asWords(query.term)
  const from =
    texts === 'all'
      ? sql<SearchableTextRow>`(SELECT * FROM searchable_texts
          WHERE words @@ (${words} && ${rooms}::tsquery)
            AND ${isReadable('searchable_texts', query.rooms)})`
      : sql<SearchableTextRow>`(WITH ${latestTexts(query, texts.upTo)}
          SELECT * FROM latest
          WHERE words IS NOT NULL AND position >= coalesce((
            SELECT max(oldest) FROM (
              SELECT min(position) AS oldest FROM latest
              GROUP BY n HAVING count(*) = ${textsOfEach(query)}) AS full_ranges), 0))`
  return (
    db.q
      .selectFrom(from.as('searchable_texts'))
      // One by one: for a join, the planner may read all events.
      .crossJoinLateral(eb =>
        eb
          .selectFrom('events')
          .selectAll('events')
          .whereRef('events.event_id', '=', 'searchable_texts.event_id')
          .offset(0)
          .as('events'),
      )
      // A question without a word in it would find everything.
      .where(sql<boolean>`numnode(${words}) > 0`)
      .where('key', '=', sql<SearchableKey>`ANY(${[...query.keys]}::text[])`)
      .where(isNotIgnored('events', query.ignored))
      // Its columns are those of `events` only.
      .where(eb => passes(eb as unknown as ExpressionBuilder<Schema, 'events'>, query.filter))
  )
}

const asWords = (term: string) => sql`websearch_to_tsquery(${language}, ${term})`

/** How many texts of each stretch that may be read. */
function textsOfEach({ rooms }: SearchQuery): number {
  const stretches = rooms.reduce((sum, { ranges }) => sum + ranges.length, 0)
  return Math.max(Math.ceil(mostTexts / stretches), fewestTexts)
}

/**
 * The latest texts of each stretch (`n`) that may be read, from the end of an index; without their
 * words if they do not match. Of a stretch that has more, nothing is known of what is older than
 * the oldest of them. (For `room_id = …` the planner would expect few, and sort the whole room.)
 */
function latestTexts(query: SearchQuery, upTo: number): RawBuilder<unknown> {
  const all = query.rooms.flatMap(({ roomId, ranges }) => ranges.map(one => ({ roomId, ...one })))
  return sql`latest AS MATERIALIZED (
    SELECT n, event_id, room_id, position, key,
      CASE WHEN words @@ ${asWords(query.term)} THEN words END AS words
    FROM unnest(
      ${all.map(range => range.roomId)}::text[],
      ${all.map(range => range.from)}::bigint[],
      ${all.map(range => Math.min(range.upTo, upTo))}::bigint[]
    ) WITH ORDINALITY AS stretch (of_room, first, last, n)
    CROSS JOIN LATERAL (
      SELECT * FROM searchable_texts
      WHERE (room_id, position) >= (of_room, first) AND (room_id, position) <= (of_room, last)
      ORDER BY room_id DESC, position DESC LIMIT ${textsOfEach(query)}
    ) AS texts)`
}

/** A word as it stands in the text form of a tsquery. */
const quoted = (word: string) => `'${word.replace(/['\\]/g, '$&$&')}'`

/** How many of these texts there are, counted no further than `most`. */
export async function countMatches(
  db: Db,
  query: SearchQuery,
  texts: Texts,
  most: number,
): Promise<number> {
  if (query.rooms.length === 0) return 0
  const row = await db.q
    .selectFrom(matching(db, query, texts).select('events.event_id').limit(most).as('found'))
    .select(({ fn }) => fn.countAll<number>().as('count'))
    .executeTakeFirstOrThrow()
  return row.count
}

/**
 * By rank, the best first and of equals the oldest; or the latest first. Of the latest texts, only
 * what is known to be later than all that was not looked at.
 */
export async function selectMatches(
  db: Db,
  query: SearchQuery,
  texts: Texts,
  page: SearchPage,
): Promise<(EventRow & { rank: number })[]> {
  if (query.rooms.length === 0) return []
  const { after } = page
  const found = matching(db, query, texts)
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
