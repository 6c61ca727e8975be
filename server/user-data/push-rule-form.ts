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
    const isTweak = isJsonObject(action) && typeof action.set_tweak === 'string'
    if (!isKnown && !isTweak) throw badJson('actions holds something that is no action')
  }
  if (isDeeperThan([...actions], 10)) throw badJson('actions is nested too deeply')
}

function assertCondition(condition: JsonValue): JsonObject {
  if (isJsonObject(condition) && typeof condition.kind === 'string') {
    if (isDeeperThan(condition, 10)) throw badJson('conditions is nested too deeply')
    return condition
  }
  throw badJson('conditions holds something that is no condition')
}
