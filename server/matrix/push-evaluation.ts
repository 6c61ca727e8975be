/**
 * Push rules applied: what an event means to one user.
 *
 * Spec: Client-Server API "Push Notifications", "Push Rules", "Conditions", "Actions"
 */
import { isJsonObject, type JsonObject, type JsonValue } from '../lib/json.ts'
import { containsGlob, containsWord, matchesGlob } from './glob.ts'
import { type PushRule, type PushRules, type RuleKind, ruleKinds } from './push-rules.ts'

/** The event as conditions see it. */
export interface RuledEvent {
  event_id: string
  room_id: string
  type: string
  sender: string
  /** Null: a message event. */
  state_key: string | null
  content: JsonObject
}

/** What conditions ask about besides the event. */
export interface RuledRoom {
  joinedMembers: number
  /** Whether the sender may notify in that way, such as `room`, by the room's power levels. */
  mayNotify(sender: string, kind: string): boolean
}

/** Who the rules belong to. */
export interface RuleOwner {
  userId: string
  /** In the room; undefined if they have none there. */
  displayName: string | undefined
}

/** The rules that are in force. */
export function enabledRules(rules: PushRules): PushRules {
  const enabled = ruleKinds.map(kind => [kind, rules[kind].filter(rule => rule.enabled)])
  return Object.fromEntries(enabled) as PushRules
}

/** The actions of the first rule that matches; none if there is none. Nobody notifies themselves. */
export function actionsFor(
  rules: PushRules,
  event: RuledEvent,
  owner: RuleOwner,
  room: RuledRoom,
): JsonValue[] {
  if (event.sender === owner.userId) return []
  for (const kind of ruleKinds) {
    const first = rules[kind].find(rule => isMatch(kind, rule, event, owner, room))
    if (first) return first.actions
  }
  return []
}

export const isNotifying = (actions: readonly JsonValue[]) => actions.includes('notify')

/** What is said along with a notification: `{ sound: 'default', highlight: true }`. */
export function tweaksOf(actions: readonly JsonValue[]): JsonObject {
  const tweaks: JsonObject = {}
  for (const action of actions) {
    if (!isJsonObject(action) || typeof action.set_tweak !== 'string') continue
    tweaks[action.set_tweak] = action.value ?? true
  }
  return tweaks
}

export const isHighlight = (actions: readonly JsonValue[]) => Boolean(tweaksOf(actions).highlight)

/** Not for events that say themselves whom they mention. */
const guessingRules = new Set([
  '.m.rule.contains_display_name',
  '.m.rule.contains_user_name',
  '.m.rule.roomnotif',
])

function isMatch(
  kind: RuleKind,
  rule: PushRule,
  event: RuledEvent,
  owner: RuleOwner,
  room: RuledRoom,
): boolean {
  if (guessingRules.has(rule.rule_id) && isJsonObject(event.content['m.mentions'])) return false
  if (kind === 'room') return rule.rule_id === event.room_id
  if (kind === 'sender') return rule.rule_id === event.sender
  if (kind === 'content') {
    const { body } = event.content
    return typeof body === 'string' && containsGlob(body, rule.pattern ?? '')
  }
  return (rule.conditions ?? []).every(condition => holds(condition, event, owner, room))
}

/** A kind that we do not know never holds. */
function holds(
  condition: JsonObject,
  event: RuledEvent,
  owner: RuleOwner,
  room: RuledRoom,
): boolean {
  const { kind, key, pattern, value } = condition
  switch (kind) {
    case 'event_match': {
      const found = propertyOf(event, key)
      if (typeof found !== 'string' || typeof pattern !== 'string') return false
      return key === 'content.body' ? containsGlob(found, pattern) : matchesGlob(found, pattern)
    }
    case 'event_property_is':
      return isPlain(value) && propertyOf(event, key) === value
    case 'event_property_contains': {
      const found = propertyOf(event, key)
      return isPlain(value) && Array.isArray(found) && found.includes(value)
    }
    case 'contains_display_name': {
      const { body } = event.content
      return typeof body === 'string' && containsWord(body, owner.displayName ?? '')
    }
    case 'room_member_count':
      return isCount(room.joinedMembers, condition.is)
    case 'sender_notification_permission':
      return typeof key === 'string' && room.mayNotify(event.sender, key)
    default:
      return false
  }
}

/** Strings, numbers, booleans and null can be compared. */
const isPlain = (value: JsonValue | undefined) =>
  (value !== undefined && typeof value !== 'object') || value === null

/** `content.m\.relates_to.rel_type`: dots lead down, `\.` is a dot, `\\` a backslash. */
function propertyOf(event: RuledEvent, key: JsonValue | undefined): JsonValue | undefined {
  if (typeof key !== 'string') return undefined
  const { state_key, ...rest } = event
  let found: JsonValue | undefined = { ...rest, ...(state_key === null ? {} : { state_key }) }
  for (const part of pathOf(key)) {
    if (!isJsonObject(found) || !Object.hasOwn(found, part)) return undefined
    found = found[part]
  }
  return found
}

/** The parts of a dotted path, as push rules and the filter's `event_fields` write it. */
export function pathOf(key: string): string[] {
  const parts = ['']
  for (let at = 0; at < key.length; at++) {
    const character = key[at] ?? ''
    const next = key[at + 1]
    if (character === '.') parts.push('')
    else if (character === '\\' && (next === '.' || next === '\\')) {
      parts[parts.length - 1] += next
      at += 1
    } else parts[parts.length - 1] += character
  }
  return parts
}

/** `2`, `==2`, `<3`, `>=10` … */
function isCount(count: number, is: JsonValue | undefined): boolean {
  const [, comparison = '', digits = ''] =
    typeof is === 'string' ? (/^(==|<=|>=|<|>)?(\d{1,9})$/.exec(is) ?? []) : []
  if (digits === '') return false
  const wanted = Number(digits)
  switch (comparison) {
    case '<':
      return count < wanted
    case '>':
      return count > wanted
    case '<=':
      return count <= wanted
    case '>=':
      return count >= wanted
    default:
      return count === wanted
  }
}
