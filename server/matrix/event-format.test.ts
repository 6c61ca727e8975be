import type { Pdu } from './event.ts'
import { assertEventFormat, maxEventBytes } from './event-format.ts'
import { type RoomVersion, roomVersions } from './room-versions.ts'

const versions = [...roomVersions.values()].filter(({ isStable }) => isStable)
const tooLarge = expect.objectContaining({ status: 413, errcode: 'M_TOO_LARGE' })
const badJson = expect.objectContaining({ status: 400, errcode: 'M_BAD_JSON' })

const message: Pdu = {
  room_id: '!r:example.org',
  type: 'm.room.message',
  sender: '@alice:example.org',
  content: { body: '' },
  origin_server_ts: 1,
  depth: 1,
  auth_events: [],
  prev_events: [],
  hashes: { sha256: '' },
}

describe.each(versions)('the format of an event in room version $id', version => {
  const check =
    (pdu: Pdu, bytes = 1_000) =>
    () =>
      assertEventFormat(pdu, version, bytes)

  test('at most 65,536 bytes', () => {
    expect(check(message, maxEventBytes)).not.toThrow()
    expect(check(message, maxEventBytes + 1)).toThrow(tooLarge)
  })

  test.each(['sender', 'room_id', 'state_key', 'type', 'event_id'])(
    'at most 255 bytes, and no NUL, in %s',
    key => {
      expect(check({ ...message, [key]: 'a'.repeat(255) })).not.toThrow()
      expect(check({ ...message, [key]: 'a'.repeat(256) })).toThrow(tooLarge)
      expect(check({ ...message, [key]: `${'ä'.repeat(127)}a` })).not.toThrow()
      expect(check({ ...message, [key]: 'ä'.repeat(128) })).toThrow(tooLarge)
      expect(check({ ...message, [key]: 'a\0b' })).toThrow(badJson)
    },
  )

  test('at most 20 prev_events and 10 auth_events', () => {
    const ids = Array.from({ length: 21 }, (_, i) => `$${i}`)
    expect(check({ ...message, prev_events: ids.slice(0, 20) })).not.toThrow()
    expect(check({ ...message, prev_events: ids })).toThrow(badJson)
    expect(check({ ...message, auth_events: ids.slice(0, 10) })).not.toThrow()
    expect(check({ ...message, auth_events: ids.slice(0, 11) })).toThrow(badJson)
  })

  test('canonical JSON from version 6 on', () => {
    const fraction = check({ ...message, content: { number: 1.5 } })
    if (Number(version.id) >= 6) expect(fraction).toThrow(badJson)
    else expect(fraction).not.toThrow()
    expect(check({ ...message, content: { body: '\ud83d' } })).toThrow(badJson)
  })

  test('a room_id, save on the create event of version 12', () => {
    const { room_id: _, ...withoutRoomId } = message
    expect(check(withoutRoomId)).toThrow(badJson)
    const create = { type: 'm.room.create', state_key: '' }
    const [right, wrong] = inOrder(
      version,
      { ...message, ...create },
      { ...withoutRoomId, ...create },
    )
    expect(check(right)).not.toThrow()
    expect(check(wrong)).toThrow(badJson)
  })
})

function inOrder(version: RoomVersion, before: Pdu, since12: Pdu): [Pdu, Pdu] {
  return version.id === '12' ? [since12, before] : [before, since12]
}
