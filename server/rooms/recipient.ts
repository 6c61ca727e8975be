/** What push rules need to know: of the user, of the room, and of the event. */
import { selectAccountData } from '../../db/account-data.ts'
import { selectPushRules } from '../../db/push.ts'
import { selectCurrentState } from '../../db/room-state.ts'
import { selectRooms } from '../../db/rooms.ts'
import type { PushRulesRow } from '../../db/schema.ts'
import type { Db } from '../../db/transaction.ts'
import type { RuledRow } from '../../db/unread.ts'
import { isJsonObject, type JsonObject } from '../lib/json.ts'
import { notificationLevel, powerLevelOf } from '../matrix/power-levels.ts'
import { enabledRules, type RuledEvent, type RuledRoom } from '../matrix/push-evaluation.ts'
import {
  noChanges,
  type PushRuleChanges,
  type PushRules,
  pushRulesWith,
} from '../matrix/push-rules.ts'
import { contentOf, parsePdu, versionOf } from './stored-event.ts'

/** Who is, or is not, to be notified. */
export interface Recipient {
  userId: string
  /** Those that are in force. */
  rules: PushRules
  ignored: ReadonlySet<string>
  /** How long the texts are from which this was read. */
  characters: number
}

export async function selectRecipient(db: Db, userId: string): Promise<Recipient> {
  const row = await selectPushRules(db, userId)
  const ignored = await selectIgnored(db, userId)
  return {
    userId,
    rules: enabledRules(pushRulesWith(userId, changesIn(row))),
    ignored,
    characters: (row?.changes.length ?? 0) + [...ignored].join('').length,
  }
}

export async function selectPushRuleChanges(db: Db, userId: string): Promise<PushRuleChanges> {
  return changesIn(await selectPushRules(db, userId))
}

function changesIn(row: PushRulesRow | undefined): PushRuleChanges {
  return row ? (JSON.parse(row.changes) as PushRuleChanges) : structuredClone(noChanges)
}

/**
 * The users whom this user does not want to hear of.
 *
 * Spec: Client-Server API "Ignoring Users"
 */
export async function selectIgnored(db: Db, userId: string): Promise<ReadonlySet<string>> {
  const key = { user_id: userId, room_id: '', type: 'm.ignored_user_list' }
  const content = await selectAccountData(db, key)
  if (content === undefined) return new Set()
  const { ignored_users: ignored } = JSON.parse(content) as JsonObject
  return new Set(isJsonObject(ignored) ? Object.keys(ignored).filter(id => id !== userId) : [])
}

/** These rooms as the conditions of push rules see them, as they are now. */
export async function selectRuledRooms(
  db: Db,
  roomIds: readonly string[],
): Promise<Map<string, RuledRoom>> {
  const rooms = await selectRooms(db, roomIds)
  const state = await selectCurrentState(db, roomIds, ['m.room.create', 'm.room.power_levels'])
  return new Map(
    rooms.map(room => {
      const version = versionOf(room)
      const event = (type: string) => {
        const row = state.find(other => other.room_id === room.room_id && other.type === type)
        return row && { ...parsePdu(row), event_id: row.event_id }
      }
      const [create, powerLevels] = [event('m.room.create'), event('m.room.power_levels')]
      const mayNotify = (sender: string, kind: string) =>
        create !== undefined &&
        powerLevelOf(sender, create, powerLevels, version) >=
          notificationLevel(kind, powerLevels, version)
      return [room.room_id, { joinedMembers: room.joined_members, mayNotify }]
    }),
  )
}

/** A stored event, read once for however many recipients. */
export type StoredRuledEvent = RuledEvent & {
  position: number
  /** `main`, or the root of the thread that it is in. */
  thread: string
  isRedacted: boolean
  /**
   * By whoever sent it, and then: no state, no redaction, nothing that was scheduled or is sticky; nor
   * what was redacted, of which nobody knows any more in which thread it was.
   */
  isWritten: boolean
}

export function toRuledEvent(row: RuledRow): StoredRuledEvent {
  return {
    event_id: row.event_id,
    room_id: row.room_id,
    type: row.type,
    sender: row.sender,
    state_key: row.state_key,
    content: contentOf(row),
    position: row.position,
    thread: row.thread ?? 'main',
    isRedacted: row.redacted_by !== null,
    isWritten:
      row.redacted_by === null &&
      row.state_key === null &&
      row.delay_id === null &&
      row.sticky_until_ts === null &&
      row.type !== 'm.room.redaction',
  }
}

/** The name under which a member is known in a room. */
export function displayNameIn(content: JsonObject): string | undefined {
  return typeof content.displayname === 'string' ? content.displayname : undefined
}
