/**
 * Users' push rules: reading them, and changing them one at a time.
 *
 * Spec: Client-Server API "Push Rules: API"
 */
import { upsertPushRules } from '../../db/push.ts'
import { transaction } from '../../db/transaction.ts'
import type { JsonValue } from '../lib/json.ts'
import { invalidParam, notFound, unknown } from '../matrix/errors.ts'
import {
  type PushRule,
  type PushRuleChanges,
  type PushRules,
  pushRulesWith,
  type RuleKind,
  ruleKinds,
} from '../matrix/push-rules.ts'
import { lockOwnAccount } from '../rooms/account-in-use.ts'
import { selectPushRuleChanges } from '../rooms/recipient.ts'
import { userTopic } from '../stream/notifier.ts'
import type { Context } from './context.ts'
import { type NewPushRule, newPushRule } from './push-rule-form.ts'

export interface RuleKey {
  kind: string
  ruleId: string
}

/** Every event is held against every rule; those for a room or a sender are quickly answered. */
const mostOwnRules = 1_000
const mostSearching = 100
const searching = ['override', 'content', 'underride'] as const

/** All rules. Spec: GET /pushrules/ */
export async function pushRules(ctx: Context, userId: string): Promise<PushRules> {
  return pushRulesWith(userId, await selectPushRuleChanges(ctx.db, userId))
}

/**
 * @throws 404 M_NOT_FOUND no such rule, or kind of rule
 * Spec: GET /pushrules/global/{kind}/{ruleId}
 */
export async function pushRule(ctx: Context, userId: string, key: RuleKey): Promise<PushRule> {
  return findRule(await pushRules(ctx, userId), key)
}

function findRule(rules: PushRules, { kind, ruleId }: RuleKey): PushRule {
  const rule = isRuleKind(kind) ? rules[kind].find(other => other.rule_id === ruleId) : undefined
  if (!rule) throw notFound('There is no such push rule')
  return rule
}

const isRuleKind = (kind: string): kind is RuleKind => ruleKinds.some(known => known === kind)

/**
 * Make a rule, or write it over: it then keeps its place, unless it is given another, and stays
 * switched off if it was. A new one comes before all others of the user's of its kind.
 *
 * @throws 400 M_INVALID_PARAM, M_BAD_JSON, M_UNKNOWN (too many) · 404 M_NOT_FOUND `before` or `after` is no rule of
 *   theirs
 * Spec: PUT /pushrules/global/{kind}/{ruleId}
 */
export async function putPushRule(
  ctx: Context,
  userId: string,
  { kind, ruleId }: RuleKey,
  form: NewPushRule,
  place: { before?: string | undefined; after?: string | undefined },
): Promise<void> {
  if (!isRuleKind(kind)) throw invalidParam(`There are no push rules of kind ${kind}`)
  const rule = newPushRule(kind, ruleId, form)
  await change(ctx, userId, changes => {
    const own = changes.own[kind] ?? []
    const at = own.findIndex(other => other.rule_id === ruleId)
    const others = own.filter((_, index) => index !== at)
    const index = placeIn(others, place) ?? Math.max(at, 0)
    others.splice(index, 0, { ...rule, enabled: own[at]?.enabled ?? true })
    changes.own[kind] = others
    assertFew(changes)
  })
}

function assertFew({ own }: PushRuleChanges): void {
  const all = Object.values(own).flat().length
  const ofSearching = searching.flatMap(kind => own[kind] ?? []).length
  if (all > mostOwnRules || ofSearching > mostSearching) {
    throw unknown('You have too many push rules')
  }
}

/** Where `before` or `after` says; undefined if neither is given. */
function placeIn(
  rules: readonly PushRule[],
  { before, after }: { before?: string | undefined; after?: string | undefined },
): number | undefined {
  const next = before ?? after
  if (next === undefined) return undefined
  const index = rules.findIndex(rule => rule.rule_id === next)
  if (index < 0) throw notFound(`You have no push rule ${next} to place it by`)
  return before === undefined ? index + 1 : index
}

/**
 * @throws 404 M_NOT_FOUND · 400 M_INVALID_PARAM a predefined rule
 * Spec: DELETE /pushrules/global/{kind}/{ruleId}
 */
export async function deletePushRule(
  ctx: Context,
  userId: string,
  { kind, ruleId }: RuleKey,
): Promise<void> {
  await change(ctx, userId, changes => {
    const rule = findRule(pushRulesWith(userId, changes), { kind, ruleId })
    if (rule.default) throw invalidParam('A predefined push rule can only be switched off')
    if (!isRuleKind(kind)) return
    changes.own[kind] = (changes.own[kind] ?? []).filter(other => other.rule_id !== ruleId)
  })
}

/**
 * Switch a rule on or off, or change what it does; also a predefined one.
 *
 * @throws 404 M_NOT_FOUND
 * Spec: PUT /pushrules/global/{kind}/{ruleId}/enabled and …/actions
 */
export async function changePushRule(
  ctx: Context,
  userId: string,
  { kind, ruleId }: RuleKey,
  changed: { enabled: boolean } | { actions: JsonValue[] },
): Promise<void> {
  await change(ctx, userId, changes => {
    const rule = findRule(pushRulesWith(userId, changes), { kind, ruleId })
    const key = `${kind}/${ruleId}`
    if (rule.default) {
      changes.predefined[key] = { ...changes.predefined[key], ...changed }
    } else if (isRuleKind(kind)) {
      changes.own[kind] = (changes.own[kind] ?? []).map(other =>
        other.rule_id === ruleId ? { ...other, ...changed } : other,
      )
    }
  })
}

async function change(
  ctx: Context,
  userId: string,
  apply: (changes: PushRuleChanges) => void,
): Promise<void> {
  await ctx.pushDelivery.keepJudged(userId)
  await transaction(ctx.db, async tx => {
    await lockOwnAccount(tx, userId)
    const changes = await selectPushRuleChanges(tx, userId)
    apply(changes)
    tx.afterCommit(() => ctx.unread.forgetUser(userId))
    await upsertPushRules(tx, {
      user_id: userId,
      changes: JSON.stringify(changes),
      position: ctx.positions.take(tx, [userTopic(userId)]),
    })
  })
}
