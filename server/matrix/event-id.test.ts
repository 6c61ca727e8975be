import { createHash } from 'node:crypto'
import type { JsonObject } from '../lib/json.ts'
import { contentHash, eventIdOf, referenceHash, referenceJson } from './event-id.ts'
import { type RoomVersion, roomVersions } from './room-versions.ts'

// Ids and hashes of events from real rooms are compared in published-events.test.ts.

const versions = [...roomVersions.values()].filter(({ isStable }) => isStable)
const badJson = expect.objectContaining({ status: 400, errcode: 'M_BAD_JSON' })

const event = {
  event_id: '$0:domain',
  room_id: '!r:domain',
  type: 'm.room.message',
  sender: '@u:domain',
  content: { body: 'Here is the message content' } as JsonObject,
  origin_server_ts: 1_000_000,
  hashes: { sha256: 'onLKD1bGljeBWQhWZ1kaP9SorVmRQNdN5aM2JYU2n/g' },
  signatures: { domain: { 'ed25519:1': 'x' } },
  unsigned: { age_ts: 1_000_000 },
}

describe('contentHash', () => {
  test.each([
    [
      'the minimal event of the specification',
      {
        room_id: '!x:domain',
        sender: '@a:domain',
        origin: 'domain',
        origin_server_ts: 1_000_000,
        signatures: {},
        hashes: {},
        type: 'X',
        content: {},
        prev_events: [],
        auth_events: [],
        depth: 3,
        unsigned: { age_ts: 1_000_000 },
      },
      '5jM4wQpv6lnBo7CLIghJuHdW+s2CMBJPUOGOC89ncos',
    ],
    [
      'the event with redactable content of the specification',
      { ...event, origin: 'domain' },
      'onLKD1bGljeBWQhWZ1kaP9SorVmRQNdN5aM2JYU2n/g',
    ],
  ])('%s', (_name, given, expected) => expect(contentHash(given)).toBe(expected))

  test('covers everything but unsigned, signatures and hashes', () => {
    const hash = contentHash(event)
    expect(contentHash({ ...event, unsigned: undefined, signatures: {}, hashes: {} })).toBe(hash)
    expect(contentHash({ ...event, content: {} })).not.toBe(hash)
    expect(contentHash({ ...event, extra: 1 })).not.toBe(hash)
  })
})

describe.each(versions)('the reference hash in room version $id', version => {
  test('covers the redacted form without signatures and unsigned', () => {
    expect(referenceJson(event, version)).toBe(
      '{"content":{},"event_id":"$0:domain",' +
        '"hashes":{"sha256":"onLKD1bGljeBWQhWZ1kaP9SorVmRQNdN5aM2JYU2n/g"},' +
        '"origin_server_ts":1000000,"room_id":"!r:domain","sender":"@u:domain",' +
        '"type":"m.room.message"}',
    )
    const hash = referenceHash(event, version)
    expect(referenceHash({ ...event, content: { body: 'redacted' } }, version)).toBe(hash)
    const otherContent = { ...event, hashes: { sha256: 'x' } }
    expect(referenceHash(otherContent, version)).not.toBe(hash)
  })

  test('is SHA-256 in unpadded base64, URL-safe from version 4 on', () => {
    const encoding = Number(version.id) >= 4 ? 'base64url' : 'base64'
    const hash = createHash('sha256').update(referenceJson(event, version)).digest(encoding)
    expect(referenceHash(event, version)).toBe(hash.replace('=', ''))
    expect(referenceHash(event, version)).toHaveLength(43)
  })

  test('is the event id from version 3 on', () => {
    const expected = Number(version.id) < 3 ? '$0:domain' : `$${referenceHash(event, version)}`
    expect(eventIdOf(event, version)).toBe(expected)
  })

  test('numbers that are not canonical are refused from version 6 on', () => {
    const create = { ...event, type: 'm.room.power_levels', content: { ban: 1.5 } }
    if (Number(version.id) < 6) expect(referenceHash(create, version)).toHaveLength(43)
    else expect(() => referenceHash(create, version)).toThrow(badJson)
  })
})

test.each(versions.filter(isOpaque))('room version $id needs the member event_id', version => {
  expect(() => eventIdOf({ ...event, event_id: undefined }, version)).toThrow(badJson)
})

function isOpaque(version: RoomVersion): boolean {
  return version.eventIdFormat === 'opaque'
}
