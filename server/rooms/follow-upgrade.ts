/**
 * Who comes from a room into its successor finds there what they had set for it: tags, push rules,
 * and whom it is a direct chat with.
 *
 * Spec: Client-Server API "Room Upgrades", the last sentence of "Server behaviour"
 */
import { selectAccountData, upsertAccountData } from '../../db/account-data.ts'
import { lockUser } from '../../db/accounts.ts'
import { upsertPushRules } from '../../db/push.ts'
import { selectStateByKeys } from '../../db/room-state.ts'
import { selectMovers } from '../../db/room-upgrades.ts'
import type { EventRow } from '../../db/schema.ts'
import { type Db, type Tx, transaction } from '../../db/transaction.ts'
import { isJsonObject, type JsonObject } from '../lib/json.ts'
import { isStorable } from '../lib/storable.ts'
import type { PushRule, PushRuleChanges } from '../matrix/push-rules.ts'
import { userTopic } from '../stream/notifier.ts'
import type { Context } from './context.ts'
import { selectPushRuleChanges } from './recipient.ts'
import { contentOf } from './stored-event.ts'

/** A room and the one that took its place. */
interface Move {
  userId: string
  from: string
  to: string
}

/**
 * Carry a user's settings over into a room that they have joined, if both that room and its
 * predecessor say that the one follows the other: else anybody's room could claim another's tags.
 *
 * A transaction of its own, after the join: users are never locked while a room is.
 */
export async function followUpgrade(ctx: Context, userId: string, roomId: string): Promise<void> {
  await followFrom(ctx, userId, { from: await predecessorOf(ctx.db, roomId), to: roomId })
}

/** As {@link followUpgrade}, for who knows already which room, if any, is said to be before it. */
export async function followFrom(
  ctx: Context,
  userId: string,
  { from, to }: { from: string | undefined; to: string },
): Promise<void> {
  if (from === undefined || (await replacementOf(ctx.db, from)) !== to) return
  await carryOver(ctx, { userId, from, to })
}

/** What is to be done after this event is stored, however it came: for whose settings it moves. */
export async function followEvent(ctx: Context, event: EventRow): Promise<void> {
  const { type, room_id: roomId, sender, state_key } = event
  if (type === 'm.room.tombstone' && state_key === '') await followTombstone(ctx, roomId)
  const isOwnMembership = type === 'm.room.member' && state_key === sender
  if (!isOwnMembership || contentOf(event).membership !== 'join') return
  await followUpgrade(ctx, sender, roomId)
}

/**
 * Run a transaction that sends an event among other things, and then {@link followEvent}.
 *
 * @param once runs its action in a transaction
 * @param action `sent`: undefined if it sends none
 */
export async function andFollow<T>(
  ctx: Context,
  once: (action: (tx: Tx) => Promise<T>) => Promise<T>,
  action: (tx: Tx) => Promise<{ answer: T; sent: EventRow | undefined }>,
): Promise<T> {
  const events: EventRow[] = []
  const answered = await once(async tx => {
    const { answer, sent } = await action(tx)
    if (sent) events.push(sent)
    return answer
  })
  for (const event of events) await followEvent(ctx, event)
  return answered
}

/** As {@link followUpgrade}, for all who are in the successor already when the old room is closed. */
async function followTombstone(ctx: Context, roomId: string): Promise<void> {
  const successor = await replacementOf(ctx.db, roomId)
  if (successor === undefined || (await predecessorOf(ctx.db, successor)) !== roomId) return
  const move = { from: roomId, to: successor }
  for (const userId of await selectMovers(ctx.db, move)) await carryOver(ctx, { userId, ...move })
}

async function predecessorOf(db: Db, roomId: string): Promise<string | undefined> {
  const [create] = await selectStateByKeys(db, roomId, [['m.room.create', '']])
  return create && predecessorIn(contentOf(create))
}

/** Which room a create event says is before its own. */
export function predecessorIn({ predecessor }: JsonObject): string | undefined {
  if (!isJsonObject(predecessor)) return undefined
  return typeof predecessor.room_id === 'string' ? asKey(predecessor.room_id) : undefined
}

async function replacementOf(db: Db, roomId: string): Promise<string | undefined> {
  const [tombstone] = await selectStateByKeys(db, roomId, [['m.room.tombstone', '']])
  const replacement = tombstone && contentOf(tombstone).replacement_room
  return typeof replacement === 'string' ? asKey(replacement) : undefined
}

/** Somebody else's content: under what cannot be kept there is no room. */
const asKey = (roomId: string) => (isStorable(roomId) ? roomId : undefined)

function carryOver(ctx: Context, move: Move): Promise<void> {
  return transaction(ctx.db, async tx => {
    if (!(await lockUser(tx, move.userId))) return
    await copyTags(ctx, tx, move)
    await copyDirect(ctx, tx, move)
    await copyPushRules(ctx, tx, move)
  })
}

async function copyTags(ctx: Context, tx: Tx, { userId, from, to }: Move): Promise<void> {
  const tags = await selectAccountData(tx, { user_id: userId, room_id: from, type: 'm.tag' })
  const own = await selectAccountData(tx, { user_id: userId, room_id: to, type: 'm.tag' })
  if (tags === undefined || own !== undefined) return
  await writeAccountData(ctx, tx, userId, { room_id: to, type: 'm.tag', content: tags })
}

async function copyDirect(ctx: Context, tx: Tx, { userId, from, to }: Move): Promise<void> {
  const key = { room_id: '', type: 'm.direct' }
  const stored = await selectAccountData(tx, { user_id: userId, ...key })
  if (stored === undefined) return
  const before = JSON.parse(stored) as JsonObject
  const after = Object.fromEntries(
    Object.entries(before).map(([who, rooms]) =>
      Array.isArray(rooms) && rooms.includes(from) && !rooms.includes(to)
        ? [who, [...rooms, to]]
        : [who, rooms],
    ),
  )
  const content = JSON.stringify(after)
  if (content !== JSON.stringify(before)) {
    await writeAccountData(ctx, tx, userId, { ...key, content })
  }
}

async function writeAccountData(
  ctx: Context,
  tx: Tx,
  userId: string,
  row: { room_id: string; type: string; content: string },
): Promise<void> {
  const position = ctx.positions.take(tx, [userTopic(userId)])
  await upsertAccountData(tx, { user_id: userId, ...row, position })
}

async function copyPushRules(ctx: Context, tx: Tx, { userId, from, to }: Move): Promise<void> {
  const changes = await selectPushRuleChanges(tx, userId)
  const own: PushRuleChanges['own'] = {}
  let isChanged = false
  for (const [kind, rules] of Object.entries(changes.own) as [keyof typeof own, PushRule[]][]) {
    const known = new Set(rules.map(rule => rule.rule_id))
    own[kind] = rules.flatMap(rule => {
      const copy = ruleFor(rule, from, to)
      if (!copy || known.has(copy.rule_id)) return [rule]
      isChanged = true
      return [copy, rule]
    })
  }
  if (!isChanged) return
  tx.afterCommit(() => ctx.unread.forgetUser(userId))
  await upsertPushRules(tx, {
    user_id: userId,
    changes: JSON.stringify({ ...changes, own }),
    position: ctx.positions.take(tx, [userTopic(userId)]),
  })
}

/** The same rule for the other room, if it is about the one: by its id, as clients name them. */
function ruleFor(rule: PushRule, from: string, to: string): PushRule | undefined {
  if (rule.rule_id !== from) return undefined
  const conditions = rule.conditions?.map(condition =>
    condition.key === 'room_id' && condition.pattern === from
      ? { ...condition, pattern: to }
      : condition,
  )
  return { ...rule, rule_id: to, ...(conditions ? { conditions } : {}) }
}
