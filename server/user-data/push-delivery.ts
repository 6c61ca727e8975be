/**
 * Notifying push gateways, after the event has been committed, in order.
 *
 * Every pusher has its own queue, which is the stream itself: `pushed_up_to` says how far it has
 * come, so that a restart goes on where it was. It is written when there was something to push, when very
 * much was passed over, and before the user wants to hear of other events: what did not notify by what
 * they wanted is not to notify later. Nothing is done for who has no pusher, and nothing at all while nobody has one. An event
 * may be pushed twice if we die between the gateway's answer and noting it; it is not lost.
 *
 * waiting ──an event in one of the user's rooms──► reading ──none notifies──► waiting
 *    reading ──one notifies──► pushing ──answered──► reading
 *    pushing ──unreachable or refused──► resting (back-off) ──► pushing
 *    pushing ──`rejected` names the pushkey──► gone
 */

import {
  deletePushers,
  type PusherKey,
  selectPusher,
  selectPusherKeys,
  updatePushedUpTo,
} from '../../db/push.ts'
import { selectPresentIn } from '../../db/room-mates.ts'
import type { PusherRow } from '../../db/schema.ts'
import { outsideTransactions, transaction } from '../../db/transaction.ts'
import type { Timer } from '../lib/clock.ts'
import type { JsonObject } from '../lib/json.ts'
import { roomOfEventsTopic } from '../stream/notifier.ts'
import type { Context } from './context.ts'
import { notifyGateway } from './push-gateway.ts'
import { notificationOf, type Push } from './push-notification.ts'
import { pushesBetween } from './pushable-events.ts'

/** What is known of a pusher besides its row. */
interface Queue {
  key: PusherKey
  /** Rooms in which something has happened since it last looked; undefined: look at all. */
  rooms: Set<string> | undefined
  /** `rooms` holds every room in which something has happened up to here, inclusive. */
  upTo: number
  /** It looked at everything up to here, inclusive; 0: go by the row. */
  readUpTo: number
  /** What the row says, at least. */
  notedUpTo: number
  running: Promise<void> | undefined
  failures: number
  firstFailureAt: number
  rest: Timer | undefined
}

const firstRestMs = 1_000
const longestRestMs = 3_600_000
/** What could not be delivered for so long nobody wants to hear any more. */
const staleAfterMs = 86_400_000
/** So many positions nobody minds looking at once more after a start. */
const fewPositions = 1_000

export class PushDelivery {
  readonly #queues = new Map<string, Queue>()
  /** The same, by user. */
  readonly #queuesOf = new Map<string, Set<Queue>>()
  readonly #rooms = new Set<string>()
  readonly #stop = new AbortController()
  #ctx: Context | undefined
  #spreading: Promise<void> | undefined

  /** Load the pushers, push what came while nobody was running, and listen from now on. */
  async start(ctx: Context): Promise<void> {
    this.#ctx = ctx
    ctx.notifier.listen(topics => this.#notice(topics))
    for (const key of await selectPusherKeys(ctx.db)) this.add(key)
  }

  /** A pusher has been made, or changed. */
  add(key: PusherKey): void {
    const id = idOf(key)
    const queue = this.#queues.get(id) ?? {
      key,
      rooms: undefined,
      upTo: 0,
      readUpTo: 0,
      notedUpTo: 0,
      running: undefined,
      failures: 0,
      firstFailureAt: 0,
      rest: undefined,
    }
    this.#queues.set(id, queue)
    this.#queuesOf.set(key.user_id, (this.#queuesOf.get(key.user_id) ?? new Set()).add(queue))
    if (this.#ctx) queue.upTo = this.#ctx.positions.settled()
    queue.rooms = undefined
    queue.rest?.cancel()
    queue.rest = undefined
    this.#run(queue)
  }

  /**
   * The user is about to want to hear of other events. Whatever has been looked at by now was judged by
   * what they want so far, and is not looked at again, not even after a restart.
   */
  async keepJudged(userId: string): Promise<void> {
    const { db } = this.#ctx ?? {}
    if (!db) return
    for (const { key, readUpTo } of this.#queuesOf.get(userId) ?? []) {
      await transaction(db, tx => updatePushedUpTo(tx, key, readUpTo))
    }
  }

  /** Who is pushing, and what they are at; who rests is not among them. */
  atWork(): [who: object, work: Promise<void>][] {
    const spreading = { who: this, work: this.#spreading }
    const queues = [...this.#queues.values()].map(queue => ({ who: queue, work: queue.running }))
    return [spreading, ...queues].flatMap(({ who, work }) => (work ? [[who, work]] : []))
  }

  async stop(): Promise<void> {
    this.#stop.abort()
    for (const queue of this.#queues.values()) queue.rest?.cancel()
    while (this.atWork().length > 0) await Promise.all(this.atWork().map(([, work]) => work))
    // If the database is lost, they look once more.
    await this.noteRead(() => false).catch(() => undefined)
  }

  /** Note how far those have looked who found nothing to push for long. */
  async noteRead(isStopped: () => boolean): Promise<void> {
    const { db } = this.#ctx ?? {}
    for (const queue of this.#queues.values()) {
      const { key, readUpTo, notedUpTo } = queue
      if (!db || isStopped()) return
      if (readUpTo <= notedUpTo + fewPositions) continue
      await transaction(db, tx => updatePushedUpTo(tx, key, readUpTo))
      queue.notedUpTo = readUpTo
    }
  }

  #notice(topics: readonly string[]): void {
    if (this.#queues.size === 0 || this.#stop.signal.aborted) return
    for (const topic of topics) {
      const roomId = roomOfEventsTopic(topic)
      if (roomId !== undefined) this.#rooms.add(roomId)
    }
    if (this.#rooms.size > 0) {
      this.#spreading ??= outsideTransactions(() => this.#spread()).finally(() => {
        this.#spreading = undefined
      })
    }
  }

  /** Tell the queues of those who are in the rooms where something has happened. */
  async #spread(): Promise<void> {
    while (this.#ctx && this.#rooms.size > 0 && !this.#stop.signal.aborted) {
      const rooms = [...this.#rooms]
      this.#rooms.clear()
      // Whatever is settled has been noticed.
      const upTo = this.#ctx.positions.settled()
      try {
        const present = await selectPresentIn(this.#ctx.db, rooms, this.#queuesOf)
        for (const { room_id, user_id } of present) {
          for (const queue of this.#queuesOf.get(user_id) ?? []) {
            queue.rooms?.add(room_id)
            queue.upTo = upTo
            this.#run(queue)
          }
        }
      } catch (error) {
        this.#ctx.log.error({ err: error }, 'pushers could not be told of an event')
        for (const queue of this.#queues.values()) {
          queue.rooms = undefined
          queue.upTo = upTo
        }
        return
      }
    }
  }

  #run(queue: Queue): void {
    const ctx = this.#ctx
    if (!ctx || queue.running || queue.rest || this.#stop.signal.aborted) return
    queue.running = outsideTransactions(() => this.#drain(ctx, queue))
      .catch(error => this.#rest(ctx, queue, error))
      .finally(() => {
        queue.running = undefined
        // Something may have happened while the last look was taken.
        if (!queue.rooms || queue.rooms.size > 0) this.#run(queue)
      })
  }

  async #drain(ctx: Context, queue: Queue): Promise<void> {
    while (!this.#stop.signal.aborted) {
      const pusher = await selectPusher(ctx.db, queue.key)
      if (!pusher) {
        this.#forget(queue)
        queue.rooms = new Set()
        return
      }
      queue.notedUpTo = pusher.pushed_up_to
      const rooms = queue.rooms && [...queue.rooms]
      const after = Math.max(pusher.pushed_up_to, queue.readUpTo)
      const { upTo } = queue
      queue.rooms = new Set()
      try {
        const page = await pushesBetween(ctx, pusher.user_id, rooms, after, upTo)
        for (const push of page.pushes) {
          if (!(await this.#push(ctx, queue, pusher, push))) return
          queue.readUpTo = push.event.position
        }
        queue.readUpTo = page.upTo
        if (page.upTo < upTo) addAll(queue, rooms)
        else if (queue.rooms.size === 0) return
      } catch (error) {
        addAll(queue, rooms)
        throw error
      }
    }
  }

  #forget(queue: Queue): void {
    this.#queues.delete(idOf(queue.key))
    const ofUser = this.#queuesOf.get(queue.key.user_id)
    ofUser?.delete(queue)
    if (ofUser?.size === 0) this.#queuesOf.delete(queue.key.user_id)
  }

  /** @returns false if the pusher is gone */
  async #push(ctx: Context, queue: Queue, pusher: PusherRow, push: Push): Promise<boolean> {
    const now = ctx.clock.now()
    const isStale = queue.failures > 0 && now - queue.firstFailureAt >= staleAfterMs
    if (!isStale) {
      const { url } = JSON.parse(pusher.data) as JsonObject
      const notification = await notificationOf(ctx, pusher, push)
      const rejected = await notifyGateway(ctx, String(url), notification, this.#stop.signal)
      if (rejected.includes(pusher.pushkey)) {
        await transaction(ctx.db, tx => deletePushers(tx, pusher, { only: pusher.user_id }))
        ctx.log.info({ app_id: pusher.app_id }, 'a push gateway rejected a pusher')
        return false
      }
    }
    queue.failures = 0
    await transaction(ctx.db, tx => updatePushedUpTo(tx, pusher, push.event.position))
    return true
  }

  #rest(ctx: Context, queue: Queue, error: unknown): void {
    if (this.#stop.signal.aborted) return
    const now = ctx.clock.now()
    if (queue.failures === 0) queue.firstFailureAt = now
    queue.failures += 1
    const restMs = Math.min(firstRestMs * 2 ** (queue.failures - 1), longestRestMs)
    queue.rest = ctx.clock.timer(now + restMs, () => {
      queue.rest = undefined
      this.#run(queue)
    })
    ctx.log.info(
      { err: error, app_id: queue.key.app_id, failures: queue.failures },
      'a push gateway could not be told',
    )
  }
}

const idOf = ({ user_id, app_id, pushkey }: PusherKey) => JSON.stringify([user_id, app_id, pushkey])

/** Look there again. @param rooms undefined: everywhere */
function addAll(queue: Queue, rooms: readonly string[] | undefined): void {
  if (rooms === undefined) queue.rooms = undefined
  else for (const roomId of rooms) queue.rooms?.add(roomId)
}
