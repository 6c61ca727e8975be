/**
 * What many `/sync` ask at the same moment, for they were woken by the same event: asked once for
 * all of them, and for all rooms of each.
 */
import { type MemberWish, selectMembersAt } from '../../db/memberships.ts'
import { selectStateHistory } from '../../db/room-state.ts'
import type { EventRow } from '../../db/schema.ts'
import { selectStickyEvents } from '../../db/sticky-events.ts'
import {
  type Answering,
  type EndsQuery,
  type KeyCountRow,
  type StateWish,
  selectKeyCounts,
  selectMembershipHistories,
  selectStates,
  selectTimelineEnds,
  type TimelineEnd,
} from '../../db/sync-reads.ts'
import type { Db } from '../../db/transaction.ts'
import type { Clock } from '../lib/clock.ts'
import { Gather } from '../lib/gather.ts'
import { groupBy } from '../lib/group-by.ts'
import type { LatestEvents } from '../rooms/latest-events.ts'
import { isHeard, type Sight, sightOf } from '../rooms/visibility.ts'
import type { StreamClock } from '../stream/stream-clock.ts'

/** A stretch of one room's timeline. */
export interface StickyWish {
  roomId: string
  /** Exclusive. */
  after: number
  /** Inclusive. */
  upTo: number
}

type EndQuestion = TimelineEnd & { query: EndsQuery }

/** Only the last part may have spaces in it. */
const keyed = (...parts: readonly (string | number | boolean)[]) => parts.join(' ')

export class SyncReads {
  readonly #ends: Gather<EndQuestion, EventRow[]>
  readonly #states: Gather<StateWish, EventRow[]>
  readonly #members: Gather<MemberWish, EventRow[]>
  readonly #histories: Gather<{ roomId: string; userId: string }, HistoryRow[]>
  readonly #visibilities: Gather<string, { position: number; pdu: string }[]>
  readonly #sticky: Gather<StickyWish, EventRow[]>
  readonly #keyCounts: Gather<{ userId: string; deviceId: string }, KeyCountRow[]>
  readonly #positions: StreamClock
  readonly #latest: LatestEvents

  constructor(db: Db, clock: Clock, positions: StreamClock, latest: LatestEvents) {
    this.#positions = positions
    this.#latest = latest
    this.#ends = new Gather(
      ({ roomId, from, upTo, query }) => keyed(roomId, from, upTo, JSON.stringify(query)),
      questions => endsOf(db, questions),
    )
    this.#states = new Gather(
      wish => keyed(wish.roomId, wish.at, wish.after, wish.withMembers),
      async wishes => inPlace(wishes, await selectStates(db, wishes)),
    )
    this.#members = new Gather(
      wish => keyed(wish.roomId, wish.at, wish.userId),
      async wishes => inPlace(wishes, await selectMembersAt(db, wishes)),
    )
    this.#histories = new Gather(
      ({ roomId, userId }) => keyed(roomId, userId),
      async pairs => inPlace(pairs, await selectMembershipHistories(db, pairs)),
    )
    this.#visibilities = new Gather(
      roomId => roomId,
      async roomIds => {
        const rows = await selectStateHistory(db, roomIds, ['m.room.history_visibility', ''])
        const places = new Map(roomIds.map((roomId, i) => [roomId, i + 1]))
        return inPlace(
          roomIds,
          rows.map(row => ({ ...row, n: places.get(row.room_id) ?? 0 })),
        )
      },
    )
    this.#sticky = new Gather(
      wish => keyed(wish.roomId, wish.after, wish.upTo),
      async wishes => {
        const roomIds = [...new Set(wishes.map(wish => wish.roomId))]
        const after = wishes.reduce((least, wish) => Math.min(least, wish.after), Infinity)
        const rows = await selectStickyEvents(db, roomIds, after, clock.now())
        const byRoom = groupBy(rows, row => row.room_id)
        return wishes.map(({ roomId, after, upTo }) => {
          const ofRoom = byRoom.get(roomId) ?? []
          return ofRoom.filter(({ position }) => position > after && position <= upTo)
        })
      },
    )
    this.#keyCounts = new Gather(
      ({ userId, deviceId }) => keyed(userId, deviceId),
      async devices => inPlace(devices, await selectKeyCounts(db, devices)),
    )
  }

  /** The latest events of each stretch, latest first. */
  async timelineEnds(ends: readonly TimelineEnd[], query: EndsQuery): Promise<EventRow[][]> {
    if (query.filter !== undefined) return this.#ends.ask(ends.map(end => ({ ...end, query })))
    const ignored = new Set(query.ignored)
    const isSeen = (row: EventRow) => isHeard(row, ignored)
    const answers = ends.map(end => this.#latest.end(end, query.limit, isSeen))
    const unknown = ends.filter((_, i) => answers[i] === undefined)
    const keep = this.#latest.beginReading(this.#positions)
    const read = await this.#ends.ask(unknown.map(end => ({ ...end, query })))
    unknown.forEach((end, i) => {
      const rows = read[i] ?? []
      if (ignored.size === 0) keep(end, rows, rows.length < query.limit)
    })
    return answers.map(answer => answer ?? read.shift() ?? [])
  }

  states(wishes: readonly StateWish[]): Promise<EventRow[][]> {
    return this.#states.ask(wishes)
  }

  members(wishes: readonly MemberWish[]): Promise<EventRow[][]> {
    return this.#members.ask(wishes)
  }

  /** MSC4354: what is sticky now, in order of position. */
  sticky(wishes: readonly StickyWish[]): Promise<EventRow[][]> {
    return this.#sticky.ask(wishes)
  }

  async keyCounts(device: { userId: string; deviceId: string }): Promise<KeyCountRow[]> {
    const { userId, deviceId } = device
    const [counts = []] = await this.#keyCounts.ask([{ userId, deviceId }])
    return counts
  }

  /** What the user sees of rooms that they are in, up to `upTo` (inclusive). */
  async sights(roomIds: readonly string[], userId: string, upTo: number): Promise<Sight[]> {
    const [histories, visibilities] = await Promise.all([
      this.#histories.ask(roomIds.map(roomId => ({ roomId, userId }))),
      this.#visibilities.ask(roomIds),
    ])
    return roomIds.map((roomId, i) =>
      sightOf({
        roomId,
        upTo,
        memberships: histories[i] ?? [],
        visibilities: visibilities[i] ?? [],
        forgottenUpTo: undefined,
      }),
    )
  }
}

type HistoryRow = Awaited<ReturnType<typeof selectMembershipHistories>>[number]

/** Those who want the same of their rooms share a statement. */
async function endsOf(db: Db, questions: readonly EndQuestion[]): Promise<EventRow[][]> {
  const byQuery = new Map<string, EndQuestion[]>()
  for (const question of questions) {
    const key = JSON.stringify(question.query)
    const same = byQuery.get(key)
    if (same) same.push(question)
    else byQuery.set(key, [question])
  }
  const found = new Map<EndQuestion, EventRow[]>()
  for (const same of byQuery.values()) {
    const query = same[0]?.query
    if (!query) continue
    const answers = inPlace(same, await selectTimelineEnds(db, same, query))
    same.forEach((question, i) => {
      found.set(question, answers[i] ?? [])
    })
  }
  return questions.map(question => found.get(question) ?? [])
}

/** The rows of each question, in the order of the questions. */
function inPlace<Row>(
  questions: readonly unknown[],
  rows: readonly Answering<Row>[],
): Answering<Row>[][] {
  const answers: Answering<Row>[][] = questions.map(() => [])
  for (const row of rows) answers[row.n - 1]?.push(row)
  return answers
}
