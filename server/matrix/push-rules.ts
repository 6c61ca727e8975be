/**
 * The push rules that every user begins with, and what a user has made of them.
 *
 * Spec: Client-Server API v1.12 "Push Notifications", "Predefined Rules"; in the order of the
 * specification, which is the order of priority. MSC3930 for polls.
 */
import type { JsonObject, JsonValue } from '../lib/json.ts'
import { localpartOf, type UserId } from './ids.ts'

/** In the order of priority. */
export const ruleKinds = ['override', 'content', 'room', 'sender', 'underride'] as const
export type RuleKind = (typeof ruleKinds)[number]

export type PushRule = {
  rule_id: string
  default: boolean
  enabled: boolean
  /** Of `override` and `underride`. */
  conditions?: JsonObject[]
  /** Of `content`: a glob for words of the body. */
  pattern?: string
  actions: JsonValue[]
}

/** A user's global rule set. */
export type PushRules = Record<RuleKind, PushRule[]>

/** What a user has changed. The predefined rules are not kept, so that new ones reach everybody. */
export interface PushRuleChanges {
  /** Their own rules, in order. */
  own: Partial<Record<RuleKind, PushRule[]>>
  /** What they have changed of predefined rules, by `kind/rule_id`. */
  predefined: Record<string, { enabled?: boolean; actions?: JsonValue[] }>
}

export const noChanges: PushRuleChanges = { own: {}, predefined: {} }

/**
 * The rules as they are now. Users' own come before the predefined of the same kind; only the
 * master switch comes before all.
 */
export function pushRulesWith(userId: UserId, changes: PushRuleChanges): PushRules {
  const predefined = defaultPushRules(userId)
  return Object.fromEntries(
    ruleKinds.map(kind => {
      const rules = predefined[kind].map(rule => {
        const key = `${kind}/${rule.rule_id}`
        return Object.hasOwn(changes.predefined, key)
          ? { ...rule, ...changes.predefined[key] }
          : rule
      })
      const isMaster = (rule: PushRule) => rule.rule_id === '.m.rule.master'
      const own = changes.own[kind] ?? []
      return [kind, [...rules.filter(isMaster), ...own, ...rules.filter(rule => !isMaster(rule))]]
    }),
  ) as PushRules
}

const highlight = { set_tweak: 'highlight' }
const sound = (value: string) => ({ set_tweak: 'sound', value })

/** A glob, over the whole value except in `content.body`. */
const matches = (key: string, pattern: string) => ({ kind: 'event_match', key, pattern })
const isType = (type: string) => matches('type', type)
const propertyIs = (key: string, value: JsonValue) => ({ kind: 'event_property_is', key, value })
const isRoomOfTwo = { kind: 'room_member_count', is: '2' }
/** The sender may notify the whole room, by `notifications.room` of the power levels. */
const mayNotifyRoom = { kind: 'sender_notification_permission', key: 'room' }

/** A rule with conditions, which `override` and `underride` have. */
function rule(
  id: string,
  conditions: JsonObject[],
  actions: JsonValue[],
  enabled = true,
): PushRule {
  return Object.freeze({ rule_id: id, default: true, enabled, conditions, actions })
}

const mention = ['notify', sound('default'), highlight]

/** Those that are the same for everybody, made once: servers remember the rules of thousands. */
const master = rule('.m.rule.master', [], [], false)
const suppressNotices = rule(
  '.m.rule.suppress_notices',
  [matches('content.msgtype', 'm.notice')],
  [],
)
const memberEvent = rule('.m.rule.member_event', [isType('m.room.member')], [])
const overrideOfAll = [
  rule('.m.rule.contains_display_name', [{ kind: 'contains_display_name' }], mention),
  rule(
    '.m.rule.is_room_mention',
    [propertyIs('content.m\\.mentions.room', true), mayNotifyRoom],
    ['notify', highlight],
  ),
  rule(
    '.m.rule.roomnotif',
    [matches('content.body', '@room'), mayNotifyRoom],
    ['notify', highlight],
  ),
  rule(
    '.m.rule.tombstone',
    [isType('m.room.tombstone'), matches('state_key', '')],
    ['notify', highlight],
  ),
  rule('.m.rule.reaction', [isType('m.reaction')], []),
  rule('.m.rule.room.server_acl', [isType('m.room.server_acl'), matches('state_key', '')], []),
  rule('.m.rule.suppress_edits', [propertyIs('content.m\\.relates_to.rel_type', 'm.replace')], []),
  rule('.org.matrix.msc3930.rule.poll_response', [isType('org.matrix.msc3381.poll.response')], []),
]
const underrideOfAll = [
  rule('.m.rule.call', [isType('m.call.invite')], ['notify', sound('ring')]),
  rule(
    '.m.rule.encrypted_room_one_to_one',
    [isRoomOfTwo, isType('m.room.encrypted')],
    ['notify', sound('default')],
  ),
  rule(
    '.m.rule.room_one_to_one',
    [isRoomOfTwo, isType('m.room.message')],
    ['notify', sound('default')],
  ),
  ...['start', 'end'].map(what =>
    rule(
      `.org.matrix.msc3930.rule.poll_${what}_one_to_one`,
      [isRoomOfTwo, isType(`org.matrix.msc3381.poll.${what}`)],
      ['notify', sound('default')],
    ),
  ),
  rule('.m.rule.message', [isType('m.room.message')], ['notify']),
  rule('.m.rule.encrypted', [isType('m.room.encrypted')], ['notify']),
  ...['start', 'end'].map(what =>
    rule(
      `.org.matrix.msc3930.rule.poll_${what}`,
      [isType(`org.matrix.msc3381.poll.${what}`)],
      ['notify'],
    ),
  ),
]

/**
 * The user's global rule set: `{ override, content, room, sender, underride }`. `/pushrules/` and
 * the account data `m.push_rules` have it under `global`. Nobody may change the rules in it.
 */
export function defaultPushRules(userId: UserId): PushRules {
  return {
    override: [
      master,
      suppressNotices,
      rule(
        '.m.rule.invite_for_me',
        [
          isType('m.room.member'),
          matches('content.membership', 'invite'),
          matches('state_key', userId),
        ],
        ['notify', sound('default')],
      ),
      memberEvent,
      rule(
        '.m.rule.is_user_mention',
        [
          {
            kind: 'event_property_contains',
            key: 'content.m\\.mentions.user_ids',
            value: userId,
          },
        ],
        mention,
      ),
      ...overrideOfAll,
    ],
    content: [
      {
        rule_id: '.m.rule.contains_user_name',
        default: true,
        enabled: true,
        pattern: localpartOf(userId),
        actions: mention,
      },
    ],
    room: [],
    sender: [],
    underride: [...underrideOfAll],
  }
}
