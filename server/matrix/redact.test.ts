import type { JsonObject } from '../lib/json.ts'
import { redact } from './redact.ts'
import { type RoomVersion, roomVersions } from './room-versions.ts'

const versions = [...roomVersions.values()]
/** A version of a proposal ends in the number of the one that it stands on. */
const numberOf = ({ id }: RoomVersion) => Number(id.split('.').at(-1))
const since = (first: number) => (version: RoomVersion) => numberOf(version) >= first

/** Room versions a member survives in; everything not listed goes in all of them. */
type Survival = [key: string, (version: RoomVersion) => boolean]
const always = () => true
const until = (last: number) => (version: RoomVersion) => numberOf(version) <= last

const topLevel: Survival[] = [
  ['event_id', always],
  ['type', always],
  ['room_id', always],
  ['sender', always],
  ['state_key', always],
  ['content', always],
  ['hashes', always],
  ['signatures', always],
  ['depth', always],
  ['prev_events', always],
  ['auth_events', always],
  ['origin_server_ts', always],
  ['prev_state', until(10)],
  ['origin', until(10)],
  ['membership', until(10)],
]

const contentByType: Record<string, Survival[]> = {
  'm.room.member': [
    ['membership', always],
    ['join_authorised_via_users_server', since(9)],
  ],
  'm.room.create': [
    ['creator', always],
    ['room_version', since(11)],
    ['other', since(11)],
    ['aliases', since(11)],
  ],
  'm.room.join_rules': [
    ['join_rule', always],
    ['allow', since(8)],
  ],
  'm.room.power_levels': [
    ['ban', always],
    ['events', always],
    ['events_default', always],
    ['kick', always],
    ['redact', always],
    ['state_default', always],
    ['users', always],
    ['users_default', always],
    ['invite', since(11)],
  ],
  'm.room.aliases': [['aliases', until(5)]],
  'm.room.history_visibility': [['history_visibility', always]],
  'm.room.redaction': [['redacts', since(11)]],
  'm.room.name': [],
  'm.room.message': [],
}

const everyContentKey = [
  ...Object.values(contentByType).flatMap(rows => rows.map(([key]) => key)),
  'notifications',
  'displayname',
  'reason',
]

const fill = (keys: string[]): JsonObject => Object.fromEntries(keys.map(key => [key, `${key}!`]))
const survivors = (rows: Survival[], version: RoomVersion) =>
  rows.filter(([, survives]) => survives(version)).map(([key]) => key)

describe.each(versions)('redaction in room version $id', version => {
  test('the members that are kept', () => {
    const event = {
      ...fill([...topLevel.map(([key]) => key), 'unsigned', 'redacts', 'age_ts', 'age', 'other']),
      type: 'm.room.message',
      content: {},
    }
    const redacted = redact(event, version)
    expect(Object.keys(redacted).sort()).toEqual(survivors(topLevel, version).sort())
    expect(redacted).toEqual(expect.objectContaining({ sender: 'sender!', type: event.type }))
  })

  test.each(Object.entries(contentByType))('the content of %s', (type, rows) => {
    // The create event keeps whatever it has from v11 on; give it only what its table lists.
    const content = fill(type === 'm.room.create' ? rows.map(([key]) => key) : everyContentKey)
    expect(redact({ type, content }, version)).toEqual({
      type,
      content: fill(survivors(rows, version)),
    })
  })

  test('of a third-party invite only the signed block is kept, from v11 on', () => {
    const content = { third_party_invite: { display_name: 'a…@b…', signed: { token: 'abc' } } }
    expect(redact({ type: 'm.room.member', content }, version).content).toEqual(
      since(11)(version) ? { third_party_invite: { signed: { token: 'abc' } } } : {},
    )
  })

  test('a third-party invite that is no object goes', () => {
    const content = { membership: 'join', third_party_invite: 'x' }
    const redacted = redact({ type: 'm.room.member', content }, version)
    expect(redacted.content).toEqual({ membership: 'join' })
  })
})

test('redacting twice changes nothing, and the event given is not touched', () => {
  for (const version of versions) {
    const event = {
      type: 'm.room.member',
      sender: '@a:b',
      content: { membership: 'join', displayname: 'A', third_party_invite: { signed: {}, x: 1 } },
      unsigned: { age: 1 },
    }
    const before = structuredClone(event)
    const once = redact(event, version)
    expect(redact(once, version)).toEqual(once)
    expect(event).toEqual(before)
  }
})
