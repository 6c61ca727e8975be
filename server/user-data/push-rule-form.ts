/** A push rule as a client writes it, checked. */
import { isDeeperThan, isJsonObject, type JsonObject, type JsonValue } from '../lib/json.ts'
import { badJson, invalidParam } from '../matrix/errors.ts'
import { isRoomId, isUserId } from '../matrix/ids.ts'
import type { PushRule, RuleKind } from '../matrix/push-rules.ts'

export interface NewPushRule {
  actions: JsonValue[]
  conditions?: JsonValue[] | undefined
  pattern?: string | undefined
}

/** A rule is held against every event, so it is kept short. */
const maxBytes = 4_096
const mostConditions = 20

type Check = (value: JsonValue | undefined) => boolean

const isText: Check = value => typeof value === 'string'
const isCount: Check = value => typeof value === 'string' && /^(==|[<>]=?)?\d{1,15}$/.test(value)
const isScalar: Check = value =>
  value === null || ['string', 'boolean'].includes(typeof value) || Number.isSafeInteger(value)

/**
 * What conditions and tweaks cannot do without. One that lacks it would never hold, and keep a client
 * that is strict from reading any of its user's rules. Kinds that are not here are kept as they are.
 *
 * Spec: "Conditions", "Tweaks"
 */
const conditionMembers = new Map<string, Record<string, Check>>([
  ['event_match', { key: isText, pattern: isText }],
  ['event_property_is', { key: isText, value: isScalar }],
  ['event_property_contains', { key: isText, value: isScalar }],
  ['room_member_count', { is: isCount }],
  ['sender_notification_permission', { key: isText }],
])
const tweakMembers = new Map<string, Record<string, Check>>([
  ['sound', { value: isText }],
  ['highlight', { value: value => value === undefined || typeof value === 'boolean' }],
])

const isWhole = (given: JsonObject, members: Record<string, Check> = {}): boolean =>
  Object.entries(members).every(([name, isGood]) => isGood(given[name]))

/**
 * @throws 400 M_INVALID_PARAM an id that a user cannot give, a rule that is too long, a content
 *   rule without a pattern · 400 M_BAD_JSON conditions or actions that are none
 */
export function newPushRule(kind: RuleKind, ruleId: string, form: NewPushRule): PushRule {
  assertId(kind, ruleId)
  const rule: PushRule = { rule_id: ruleId, default: false, enabled: true, actions: form.actions }
  assertActions(form.actions)
  if (kind === 'content') {
    if (!form.pattern) throw invalidParam('A content rule needs a pattern')
    rule.pattern = form.pattern
  }
  if (kind === 'override' || kind === 'underride') {
    rule.conditions = (form.conditions ?? []).map(assertCondition)
    if (rule.conditions.length > mostConditions) throw invalidParam('Those are too many conditions')
  }
  if (Buffer.byteLength(JSON.stringify(rule)) > maxBytes) {
    throw invalidParam(`A push rule has ${maxBytes} bytes at most`)
  }
  return rule
}

function assertId(kind: RuleKind, ruleId: string): void {
  if (ruleId.startsWith('.')) throw invalidParam('Only predefined push rules begin with a dot')
  if (/[/\\]/.test(ruleId)) throw invalidParam('A rule ID has neither / nor \\')
  if (kind === 'room' && !isRoomId(ruleId)) throw invalidParam('That is not a room ID')
  if (kind === 'sender' && !isUserId(ruleId)) throw invalidParam('That is not a user ID')
}

/** @throws 400 M_BAD_JSON. Deprecated ones are kept as they are, and do nothing. */
export function assertActions(actions: readonly JsonValue[]): void {
  for (const action of actions) {
    const isKnown = ['notify', 'dont_notify', 'coalesce'].some(known => known === action)
    const isTweak =
      isJsonObject(action) &&
      typeof action.set_tweak === 'string' &&
      isWhole(action, tweakMembers.get(action.set_tweak))
    if (!isKnown && !isTweak) throw badJson('actions holds something that is no action')
  }
  if (isDeeperThan([...actions], 10)) throw badJson('actions is nested too deeply')
}

function assertCondition(condition: JsonValue): JsonObject {
  if (isJsonObject(condition) && typeof condition.kind === 'string') {
    if (isDeeperThan(condition, 10)) throw badJson('conditions is nested too deeply')
    if (!isWhole(condition, conditionMembers.get(condition.kind))) {
      throw badJson(`A condition of kind ${condition.kind} lacks what it needs`)
    }
    return condition
  }
  throw badJson('conditions holds something that is no condition')
}
