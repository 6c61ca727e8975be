import type { Pdu } from './event.ts'
import { strippedStateTypes, toStripped } from './stripped-state.ts'

describe('Stripped state', () => {
  test('shows what helps to recognise the room', () => {
    expect([...strippedStateTypes].sort()).toEqual([
      'm.room.avatar',
      'm.room.canonical_alias',
      'm.room.create',
      'm.room.encryption',
      'm.room.join_rules',
      'm.room.name',
      'm.room.topic',
    ])
  })

  test('has type, state_key, sender and content, and nothing else', () => {
    const pdu: Pdu = {
      type: 'm.room.create',
      sender: '@alice:hourglass.test',
      state_key: '',
      content: { room_version: '11', type: 'm.space' },
      room_id: '!room:hourglass.test',
      origin_server_ts: 1,
      depth: 1,
      auth_events: [],
      prev_events: [],
      hashes: { sha256: '' },
      unsigned: { age: 1 },
    }
    expect(toStripped(pdu)).toEqual({
      type: 'm.room.create',
      sender: '@alice:hourglass.test',
      state_key: '',
      content: { room_version: '11', type: 'm.space' },
    })
    expect(toStripped(pdu).content).toBe(pdu.content)
  })
})
