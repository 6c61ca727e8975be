/**
 * The push rules that every user begins with.
 *
 * Spec: Client-Server API v1.12 "Push Notifications", "Predefined Rules"; in the order of the
 * specification, which is the order of priority.
 */
import type { JsonObject, JsonValue } from '../lib/json.ts'
import { localpartOf, type UserId } from './ids.ts'

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
function rule(id: string, conditions: JsonObject[], actions: JsonValue[], enabled = true) {
  return { rule_id: id, default: true, enabled, conditions, actions }
}

/**
 * The user's global rule set: `{ override, content, room, sender, underride }`. `/pushrules/` and
 * the account data `m.push_rules` have it under `global`.
 */
export function defaultPushRules(userId: UserId): JsonObject {
  const mention = ['notify', sound('default'), highlight]
  return {
    override: [
      rule('.m.rule.master', [], [], false),
      rule('.m.rule.suppress_notices', [matches('content.msgtype', 'm.notice')], []),
      rule(
        '.m.rule.invite_for_me',
        [
          isType('m.room.member'),
          matches('content.membership', 'invite'),
          matches('state_key', userId),
        ],
        ['notify', sound('default')],
      ),
      rule('.m.rule.member_event', [isType('m.room.member')], []),
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
      rule(
        '.m.rule.suppress_edits',
        [propertyIs('content.m\\.relates_to.rel_type', 'm.replace')],
        [],
      ),
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
    underride: [
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
      rule('.m.rule.message', [isType('m.room.message')], ['notify']),
      rule('.m.rule.encrypted', [isType('m.room.encrypted')], ['notify']),
    ],
  }
}
