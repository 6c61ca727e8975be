/** Full text search, by PostgreSQL's own: words of events, and the index that finds them. */
import { type ExpressionBuilder, type RawBuilder, sql } from 'kysely'
import { unawaited } from './engine/connection.ts'
import { passes, type TimelineFilter } from './events.ts'
import { isNotIgnored, isReadable, type RoomRanges } from './relations.ts'
import type { EventRow, Schema, SearchableKey, SearchableTextRow } from './schema.ts'
import { type Db, type Pool, type Tx, transaction } from './transaction.ts'

/** No stemming and no stop words: rooms speak all languages, often several. */
const language = sql.lit('simple')

/** No text has such a word: the parser keeps no spaces. */
const roomWord = (roomId: string) => `room ${roomId}`

/**
 * Search with a plan for these words: how a word is best looked for depends on how common it is, and
 * the reader's rooms may be many. Everything else is planned once for all values (decision 81).
 *
 * Where an index has the order, its end is read: to find all by a bitmap and sort them may look cheaper.
 */
export function searching<T>(pool: Pool, search: (db: Db) => Promise<T>): Promise<T> {
  return transaction(pool, async tx => {
    await sql`
      SELECT set_config('plan_cache_mode', 'force_custom_plan', true),
        set_config('enable_hashjoin', 'on', true),
        set_config('enable_bitmapscan', 'on', true),
        set_config('enable_sort', 'off', true) ${unawaited}`.execute(tx.q)
    return search(tx)
  })
}

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

/**
 * Those that the index of words gives, the first {@link mostIndexed} of them as they lie in the table,
 * in general the oldest; or the latest ones, up to a position (inclusive); or both. Of the latest,
 * none is left out as far as they go.
 */
export type Texts = 'indexed' | 'any' | LatestTexts
export interface LatestTexts {
  upTo: number
}

/** So many of what the index of words gives are looked at. */
export const mostIndexed = 2_000
/** So many of the latest texts are looked at one by one, divided among the rooms … */
const mostTexts = 2_000
/** … but of each as many as this. */
const fewestTexts = 50

const columns = sql`event_id, room_id, position, key, words`

/** What the index gives, and may be read. Bounded before that, or much that may not be would be read. */
function indexedTexts(query: SearchQuery): RawBuilder<unknown> {
  return sql`SELECT ${columns} FROM (${indexed(query)}) AS indexed
    WHERE ${isReadable('indexed', query.rooms)}`
}

function indexed({ rooms, term }: SearchQuery): RawBuilder<unknown> {
  const words = rooms.map(({ roomId }) => quoted(roomWord(roomId))).join(' | ')
  return sql`SELECT ${columns} FROM searchable_texts
    WHERE words @@ (${asWords(term)} && ${words}::tsquery) LIMIT ${mostIndexed}`
}

function textsOf(query: SearchQuery, texts: Texts): RawBuilder<SearchableTextRow> {
  if (texts === 'indexed') return sql`(${indexedTexts(query)})`
  if (texts === 'any') {
    const latest = { upTo: Number.MAX_SAFE_INTEGER }
    return sql`(WITH ${latestTexts(query, latest)}
      SELECT ${columns} FROM latest WHERE words IS NOT NULL UNION ${indexedTexts(query)})`
  }
  return sql`(WITH ${latestTexts(query, texts)}
    SELECT * FROM latest
    WHERE words IS NOT NULL AND position >= coalesce((
      SELECT max(oldest) FROM (
        SELECT min(position) AS oldest FROM latest
        GROUP BY n HAVING count(*) = ${textsOfEach(query)}) AS full_ranges), 0))`
}

function matching(db: Db, query: SearchQuery, texts: Texts) {
  const words = asWords(query.term)
  return (
    db.q
      .selectFrom(textsOf(query, texts).as('searchable_texts'))
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

/** The stretches of rooms that may be read, up to a position (inclusive): of_room, first, last, n. */
function stretches({ rooms }: SearchQuery, upTo: number): RawBuilder<unknown> {
  const all = rooms.flatMap(({ roomId, ranges }) => ranges.map(one => ({ roomId, ...one })))
  return sql`unnest(
      ${all.map(range => range.roomId)}::text[],
      ${all.map(range => range.from)}::bigint[],
      ${all.map(range => Math.min(range.upTo, upTo))}::bigint[]
    ) WITH ORDINALITY AS stretch (of_room, first, last, n)`
}

/** From the end of an index. (For `room_id = …` the planner would expect few, and sort the room.) */
const isInStretch = sql`(room_id, position) >= (of_room, first)
  AND (room_id, position) <= (of_room, last)
  ORDER BY room_id DESC, position DESC`

/**
 * The latest texts of each stretch (`n`) that may be read; without their words if they do not match.
 * Of a stretch that has more, nothing is known of what is older than the oldest of them.
 */
function latestTexts(query: SearchQuery, texts: LatestTexts): RawBuilder<unknown> {
  return sql`latest AS MATERIALIZED (
    SELECT n, event_id, room_id, position, key,
      CASE WHEN words @@ ${asWords(query.term)} THEN words END AS words
    FROM ${stretches(query, texts.upTo)}
    CROSS JOIN LATERAL (
      SELECT * FROM searchable_texts WHERE ${isInStretch} LIMIT ${textsOfEach(query)}
    ) AS texts)`
}

/** Where the latest texts end: above it, all have been looked at. 0: these are all texts. */
export async function selectEndOfLatest(
  db: Db,
  query: SearchQuery,
  texts: LatestTexts,
): Promise<number> {
  const { rows } = await sql<{ position: number }>`
    SELECT position FROM ${stretches(query, texts.upTo)}
    CROSS JOIN LATERAL (
      SELECT position FROM searchable_texts
      WHERE ${isInStretch} OFFSET ${textsOfEach(query) - 1} LIMIT 1
    ) AS texts
    ORDER BY position DESC LIMIT 1`.execute(db.q)
  return rows[0]?.position ?? 0
}

/** Whether the index of words gives fewer than {@link mostIndexed}, which then are all. */
export async function areFew(db: Db, query: SearchQuery): Promise<boolean> {
  if (query.rooms.length === 0) return true
  const { rows } = await sql<{ count: number }>`
    SELECT count(*) FROM (${indexed(query)}) AS indexed`.execute(db.q)
  return (rows[0]?.count ?? 0) < mostIndexed
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
