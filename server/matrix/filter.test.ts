import type { JsonObject, JsonValue } from '../lib/json.ts'
import { MatrixError } from './errors.ts'
import {
  assertFilter,
  assertRoomEventFilter,
  type FilteredEvent,
  matchesFilter,
  matchesRoom,
  type RoomEventFilter,
} from './filter.ts'
import { alice, bob } from './test-events.ts'

const inTimeline = (timeline: JsonValue): JsonObject => ({ room: { timeline } })

describe('Filtering: what is refused', () => {
  test.each<[string, JsonObject]>([
    ['presence is no object', { presence: 'no' }],
    ['account_data is no object', { account_data: [] }],
    ['room is no object', { room: 'no' }],
    ['room.timeline is no object', inTimeline('no')],
    ['room.state is no object', { room: { state: 'no' } }],
    ['room.ephemeral is no object', { room: { ephemeral: 'no' } }],
    ['room.account_data is no object', { room: { account_data: 'no' } }],
    ['rooms is no list', inTimeline({ rooms: 'no' })],
    ['not_rooms is no list', inTimeline({ not_rooms: 'no' })],
    ['senders is no list', inTimeline({ senders: 'no' })],
    ['not_senders is no list', inTimeline({ not_senders: 'no' })],
    ['types is no list', inTimeline({ types: 'no' })],
    ['not_types is no list', inTimeline({ not_types: 'no' })],
    ['a type is no string', inTimeline({ types: [1] })],
    ['a room is no room id', inTimeline({ rooms: ['not_a_room_id'] })],
    ['a sender is no user id', inTimeline({ senders: ['not_a_sender_id'] })],
    ['room.rooms holds no room id', { room: { rooms: ['not_a_room_id'] } }],
    ['room.include_leave is no boolean', { room: { include_leave: 'yes' } }],
    ['presence.senders holds no user id', { presence: { not_senders: ['bob'] } }],
    ['contains_url is no boolean', inTimeline({ contains_url: 1 })],
    ['lazy_load_members is no boolean', { room: { state: { lazy_load_members: 'true' } } }],
    ['limit is negative', inTimeline({ limit: -1 })],
    ['limit is a fraction', inTimeline({ limit: 1.5 })],
    ['limit is a string', inTimeline({ limit: '1' })],
    ['event_format is unknown', { event_format: 'xml' }],
    ['event_fields is no list', { event_fields: 'content' }],
    ['rel_types is no list', inTimeline({ 'org.matrix.msc3874.rel_types': 'm.thread' })],
  ])('%s', (_fault, json) => {
    expect(() => assertFilter(json)).toThrow(MatrixError)
    expect(() => assertFilter(json)).toThrow(
      expect.objectContaining({ status: 400, errcode: 'M_BAD_JSON' }),
    )
  })
})

describe('Filtering: what is accepted', () => {
  test('everything known comes back, everything unknown is left out', () => {
    const known: JsonObject = {
      event_fields: ['content.body'],
      event_format: 'client',
      presence: { types: [], senders: [alice] },
      account_data: { limit: 5, not_types: ['m.*'] },
      room: {
        rooms: ['!a:hourglass.test'],
        not_rooms: ['!MdWhnCgsWOyOQdw1h6RVBiJBFx2wSyrlb8Kg4bCrkrk'],
        include_leave: true,
        timeline: { limit: 0, unread_thread_notifications: true, contains_url: false },
        state: { lazy_load_members: true, include_redundant_members: false },
        ephemeral: { not_senders: [bob] },
        account_data: { types: ['m.tag'] },
      },
    }
    expect(assertFilter(known)).toEqual(known)
    expect(assertFilter({ ...known, 'org.example': 1 })).toEqual(known)
    expect(Object.keys(assertFilter({}))).toEqual([])
  })

  test('null is as good as absent: matrix-js-sdk writes it', () => {
    const json = { types: null, not_types: [], rooms: null, contains_url: null, limit: null }
    expect(assertRoomEventFilter({ ...json, related_by_senders: [] })).toEqual({ not_types: [] })
  })

  test.each([
    ['org.matrix.msc3874.rel_types', 'org.matrix.msc3874.not_rel_types'],
    ['rel_types', 'not_rel_types'],
  ])('MSC3874: %s', (wanted, unwanted) => {
    expect(assertRoomEventFilter({ [wanted]: ['a'], [unwanted]: ['b'] })).toEqual({
      rel_types: ['a'],
      not_rel_types: ['b'],
    })
  })
})

describe('Filtering: what passes', () => {
  const event: FilteredEvent = {
    type: 'm.room.message',
    sender: alice,
    room_id: '!a:hourglass.test',
    content: { body: 'hi', 'm.relates_to': { rel_type: 'm.thread', event_id: '$root' } },
  }
  const picture = { ...event, content: { url: 'mxc://hourglass.test/1' } }
  const typing: FilteredEvent = { type: 'm.typing', content: { user_ids: [] } }
  const odd = { ...event, content: { 'm.relates_to': 'odd' } }

  test.each<[string, RoomEventFilter, FilteredEvent, boolean]>([
    ['no condition', {}, event, true],
    ['types', { types: ['m.reaction', 'm.room.message'] }, event, true],
    ['types, not among them', { types: ['m.room'] }, event, false],
    ['types, none', { types: [] }, event, false],
    ['types, anything', { types: ['*'] }, event, true],
    ['types, a beginning', { types: ['m.room.*'] }, event, true],
    ['types, an end', { types: ['*.message'] }, event, true],
    ['types, a middle', { types: ['m.*.mess*e'] }, event, true],
    ['types, a piece at the very beginning', { types: ['*m.*message'] }, event, true],
    ['types, stars side by side', { types: ['m.**message'] }, event, true],
    ['types, the beginning of another', { types: ['m.call.*'] }, event, false],
    ['types, pieces in another order', { types: ['*message*room*'] }, event, false],
    ['types, pieces that overlap', { types: ['m.room.mess*essage'] }, event, false],
    ['types, a middle that runs into the end', { types: ['m.*message*message'] }, event, false],
    ['types, other characters are literal', { types: ['m.room.m.ssage'] }, event, false],
    ['not_types', { not_types: ['m.room.message'] }, event, false],
    ['not_types with a star', { not_types: ['m.room.*'] }, event, false],
    ['not_types, none', { not_types: [] }, event, true],
    ['not_types beats types', { types: ['*'], not_types: ['m.room.message'] }, event, false],
    ['senders', { senders: [alice] }, event, true],
    ['senders, another', { senders: [bob] }, event, false],
    ['senders, but there is none', { senders: [alice] }, typing, false],
    ['not_senders', { not_senders: [alice] }, event, false],
    ['not_senders beats senders', { senders: [alice], not_senders: [alice] }, event, false],
    ['not_senders, but there is none', { not_senders: [alice] }, typing, true],
    ['rooms', { rooms: ['!a:hourglass.test'] }, event, true],
    ['rooms, another', { rooms: ['!b:hourglass.test'] }, event, false],
    ['rooms, but it is not known', { rooms: ['!a:hourglass.test'] }, typing, false],
    ['not_rooms', { not_rooms: ['!a:hourglass.test'] }, event, false],
    ['contains_url', { contains_url: true }, picture, true],
    ['contains_url, but it does not', { contains_url: true }, event, false],
    ['contains_url false', { contains_url: false }, picture, false],
    ['contains_url false, and it does not', { contains_url: false }, event, true],
    ['rel_types', { rel_types: ['m.thread'] }, event, true],
    ['rel_types, another', { rel_types: ['m.annotation'] }, event, false],
    ['rel_types, but it relates to nothing', { rel_types: ['m.thread'] }, picture, false],
    ['rel_types, but it relates oddly', { rel_types: ['m.thread'] }, odd, false],
    ['not_rel_types', { not_rel_types: ['m.thread'] }, event, false],
    ['not_rel_types, but it relates to nothing', { not_rel_types: ['m.thread'] }, picture, true],
    ['limit is not its business', { limit: 0 }, event, true],
  ])('%s', (_rule, filter, filtered, expected) => {
    expect(matchesFilter(filtered, filter)).toBe(expected)
  })

  test('rooms as a whole', () => {
    expect(matchesRoom('!a:x', {})).toBe(true)
    expect(matchesRoom('!a:x', { rooms: ['!a:x'] })).toBe(true)
    expect(matchesRoom('!b:x', { rooms: ['!a:x'] })).toBe(false)
    expect(matchesRoom('!a:x', { rooms: ['!a:x'], not_rooms: ['!a:x'] })).toBe(false)
  })
})
