import { isJsonObject, type JsonObject } from '../lib/json.ts'
import { defaultPushRules } from './push-rules.ts'

const rules = defaultPushRules('@alice:example.org')

function kind(name: string): JsonObject[] {
  const list = (rules as unknown as JsonObject)[name]
  return Array.isArray(list) ? list.filter(isJsonObject) : []
}
const ids = (name: string) => kind(name).map(rule => rule.rule_id)
const byId = (name: string, id: string) => kind(name).find(rule => rule.rule_id === id)

describe('the predefined push rules', () => {
  test('are those of the specification, in its order', () => {
    expect(Object.keys(rules)).toEqual(['override', 'content', 'room', 'sender', 'underride'])
    expect(ids('override')).toEqual([
      '.m.rule.master',
      '.m.rule.suppress_notices',
      '.m.rule.invite_for_me',
      '.m.rule.member_event',
      '.m.rule.is_user_mention',
      '.m.rule.contains_display_name',
      '.m.rule.is_room_mention',
      '.m.rule.roomnotif',
      '.m.rule.tombstone',
      '.m.rule.reaction',
      '.m.rule.room.server_acl',
      '.m.rule.suppress_edits',
      '.org.matrix.msc3930.rule.poll_response',
    ])
    expect(ids('content')).toEqual(['.m.rule.contains_user_name'])
    expect(ids('room')).toEqual([])
    expect(ids('sender')).toEqual([])
    expect(ids('underride')).toEqual([
      '.m.rule.call',
      '.m.rule.encrypted_room_one_to_one',
      '.m.rule.room_one_to_one',
      '.org.matrix.msc3930.rule.poll_start_one_to_one',
      '.org.matrix.msc3930.rule.poll_end_one_to_one',
      '.m.rule.message',
      '.m.rule.encrypted',
      '.org.matrix.msc3930.rule.poll_start',
      '.org.matrix.msc3930.rule.poll_end',
    ])
  })

  test('are all default, and all enabled but the master switch', () => {
    const all = Object.keys(rules).flatMap(kind)
    expect(all.every(rule => rule.default === true)).toBe(true)
    expect(all.filter(rule => rule.enabled === false)).toEqual([
      { rule_id: '.m.rule.master', default: true, enabled: false, conditions: [], actions: [] },
    ])
  })

  test('name the user that they are for', () => {
    expect(byId('override', '.m.rule.invite_for_me')).toEqual({
      rule_id: '.m.rule.invite_for_me',
      default: true,
      enabled: true,
      conditions: [
        { kind: 'event_match', key: 'type', pattern: 'm.room.member' },
        { kind: 'event_match', key: 'content.membership', pattern: 'invite' },
        { kind: 'event_match', key: 'state_key', pattern: '@alice:example.org' },
      ],
      actions: ['notify', { set_tweak: 'sound', value: 'default' }],
    })
    expect(byId('override', '.m.rule.is_user_mention')?.conditions).toEqual([
      {
        kind: 'event_property_contains',
        key: 'content.m\\.mentions.user_ids',
        value: '@alice:example.org',
      },
    ])
    expect(byId('content', '.m.rule.contains_user_name')).toMatchObject({ pattern: 'alice' })
  })

  test('look at properties with dots in their names', () => {
    expect(byId('override', '.m.rule.suppress_edits')?.conditions).toEqual([
      { kind: 'event_property_is', key: 'content.m\\.relates_to.rel_type', value: 'm.replace' },
    ])
    expect(byId('override', '.m.rule.is_room_mention')?.conditions).toEqual([
      { kind: 'event_property_is', key: 'content.m\\.mentions.room', value: true },
      { kind: 'sender_notification_permission', key: 'room' },
    ])
  })

  test('ring for a call and are silent for what nobody waits for', () => {
    expect(byId('underride', '.m.rule.call')?.actions).toEqual([
      'notify',
      { set_tweak: 'sound', value: 'ring' },
    ])
    const silent = kind('override').filter(rule => (rule.actions as unknown[]).length === 0)
    expect(silent.map(rule => rule.rule_id)).toEqual([
      '.m.rule.master',
      '.m.rule.suppress_notices',
      '.m.rule.member_event',
      '.m.rule.reaction',
      '.m.rule.room.server_acl',
      '.m.rule.suppress_edits',
      '.org.matrix.msc3930.rule.poll_response',
    ])
  })
})
