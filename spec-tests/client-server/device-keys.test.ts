import type { Client } from '../support/client.ts'
import { refusal } from '../support/client.ts'
import {
  beforeEachWithUsers,
  claim,
  deviceKeysOf,
  makeKey,
  oneTimeKeys,
  publishDevice,
  query,
  upload,
} from '../support/keys.ts'
import type { TestServer } from '../support/server.ts'
import type { JsonObject } from '../support/wire.ts'

let server: TestServer
let alice: Client
let bob: Client
beforeEachWithUsers(all => {
  ;({ server, alice, bob } = all)
})

const algorithm = 'signed_curve25519'
const ofAlice = () => ({ [alice.userId]: { [alice.deviceId]: algorithm } })
const claimed = async (client = bob) =>
  ((await claim(client, ofAlice()))[alice.userId] as JsonObject | undefined)?.[alice.deviceId]

describe('TestUploadKey: POST /keys/upload, /keys/query, /keys/claim', () => {
  test('Can upload device keys', async () => {
    const key = makeKey(alice.deviceId)
    const body = {
      device_keys: deviceKeysOf(alice, key),
      one_time_keys: oneTimeKeys(alice, key, ['A']),
    }
    expect(await upload(alice, body)).toEqual({ [algorithm]: 1 })
  })

  test.each(['algorithms', 'keys', 'signatures', 'user_id', 'device_id'])(
    'Rejects invalid device keys: without %s',
    async member => {
      const { [member]: _, ...keys } = deviceKeysOf(alice, makeKey(alice.deviceId))
      const before = await server.rowCounts()
      const body = { device_keys: keys, one_time_keys: oneTimeKeys(alice, makeKey('X'), ['A']) }
      expect(await refusal(upload(alice, body))).toMatchObject({
        status: 400,
        errcode: 'M_BAD_JSON',
      })
      expect(await server.rowCounts()).toEqual(before)
    },
  )

  test('Should reject keys claiming to belong to a different user, or to another device', async () => {
    const keys = deviceKeysOf(alice, makeKey(alice.deviceId))
    const laptop = alice.sibling()
    await laptop.login()
    for (const other of [bob, laptop]) {
      expect(await refusal(upload(other, { device_keys: keys }))).toMatchObject({ status: 400 })
    }
  })

  test('Can query device keys, all of a user or specific ones', async () => {
    const { keys } = await publishDevice(alice)
    await alice.ok('PUT', `/_matrix/client/v3/devices/${alice.deviceId}`, {
      body: { display_name: 'phone' },
    })
    const expected = { ...keys, unsigned: { device_display_name: 'phone' } }
    for (const devices of [[], [alice.deviceId], [alice.deviceId, 'NONE']]) {
      const { device_keys } = await query(bob, { [alice.userId]: devices })
      expect(device_keys).toEqual({ [alice.userId]: { [alice.deviceId]: expected } })
    }
    expect((await query(bob, { [alice.userId]: ['NONE'] })).device_keys).toEqual({
      [alice.userId]: {},
    })
  })

  test('query for user with no keys returns empty key dict; one who does not exist is missing', async () => {
    const answer = await query(alice, { [bob.userId]: [], '@nobody:hs1': [], 'no user': [] })
    expect(answer).toEqual({
      device_keys: { [bob.userId]: {} },
      master_keys: {},
      self_signing_keys: {},
      user_signing_keys: {},
      failures: {},
    })
    const elsewhere = await query(alice, { '@alice:elsewhere.example': [] })
    expect(Object.keys(elsewhere.failures)).toEqual(['elsewhere.example'])
    const one_time_keys = { '@alice:elsewhere.example': { PHONE: 'signed_curve25519' } }
    const body = { one_time_keys: { ...one_time_keys, '@nobody:hs1': {}, 'no user': {} } }
    expect(await alice.ok('POST', '/_matrix/client/v3/keys/claim', { body })).toEqual({
      one_time_keys: {},
      failures: elsewhere.failures,
    })
  })

  test('Can claim one time key using POST: once, and then the user is missing', async () => {
    const key = makeKey(alice.deviceId)
    const keys = oneTimeKeys(alice, key, ['A'])
    await upload(alice, { device_keys: deviceKeysOf(alice, key), one_time_keys: keys })
    expect(await claim(bob, ofAlice())).toEqual({ [alice.userId]: { [alice.deviceId]: keys } })
    expect(await claim(bob, ofAlice())).toEqual({})
  })
})

test('TestKeyClaimOrdering: keys are given out in the order of upload, not of their names', async () => {
  const key = makeKey(alice.deviceId)
  for (const id of ['2', '0', '1']) {
    await upload(alice, { one_time_keys: oneTimeKeys(alice, key, [id]) })
  }
  const order = []
  for (let i = 0; i < 3; i++) order.push(...Object.keys(await claimed()))
  expect(order).toEqual(['2', '0', '1'].map(id => `${algorithm}:${id}`))
})

describe('TestUploadKeyIdempotency: POST /keys/upload again', () => {
  test('the same keys are accepted and counted once', async () => {
    const key = makeKey(alice.deviceId)
    const keys = oneTimeKeys(alice, key, ['A', 'B', 'C', 'D'])
    const body = { device_keys: deviceKeysOf(alice, key), one_time_keys: keys }
    for (const again of [body, { one_time_keys: keys }, body]) {
      expect(await upload(alice, again)).toEqual({ [algorithm]: 4 })
    }
  })

  test('TestUploadKeyIdempotencyOverlap: ABC, then BCD', async () => {
    const key = makeKey(alice.deviceId)
    const { [`${algorithm}:A`]: A, ...BCD } = oneTimeKeys(alice, key, ['A', 'B', 'C', 'D'])
    const { [`${algorithm}:D`]: _, ...BC } = BCD
    expect(await upload(alice, { device_keys: deviceKeysOf(alice, key) })).toEqual({
      [algorithm]: 0,
    })
    const ABC = { [`${algorithm}:A`]: A, ...BC }
    expect(await upload(alice, { one_time_keys: ABC })).toEqual({ [algorithm]: 3 })
    expect(await upload(alice, { one_time_keys: BCD })).toEqual({ [algorithm]: 4 })
  })

  test('another key under the id of one that is there is refused, and nothing of it is kept', async () => {
    const key = makeKey(alice.deviceId)
    const keys = oneTimeKeys(alice, key, ['A'])
    await upload(alice, { one_time_keys: keys })
    const before = await server.rowCounts()
    const other = oneTimeKeys(alice, key, ['A', 'B'])
    const refused = await refusal(upload(alice, { one_time_keys: other }))
    expect(refused).toMatchObject({ status: 400, errcode: 'M_UNKNOWN' })
    expect(refused.body.error).toMatch(`One time key ${algorithm}:A already exists`)
    expect(await server.rowCounts()).toEqual(before)
    expect(await claimed()).toEqual(keys)
  })

  test('an upload that is sent again after a claim does not bring the claimed key back', async () => {
    const key = makeKey(alice.deviceId)
    const keys = oneTimeKeys(alice, key, ['A', 'B'])
    await upload(alice, { one_time_keys: keys })
    await claimed()
    expect(await upload(alice, { one_time_keys: keys })).toEqual({ [algorithm]: 1 })
    await claimed()
    expect(await claimed()).toBeUndefined()
  })

  test('a device with new identity keys begins anew', async () => {
    const { key } = await publishDevice(alice)
    await upload(alice, { one_time_keys: oneTimeKeys(alice, key, ['A', 'B']) })
    await claimed()
    const newKey = makeKey(alice.deviceId)
    const keys = oneTimeKeys(alice, newKey, ['A'])
    const body = { device_keys: deviceKeysOf(alice, newKey), one_time_keys: keys }
    expect(await upload(alice, body)).toEqual({ [algorithm]: 1 })
    expect(await claimed()).toEqual(keys)
    expect(await claimed()).toBeUndefined()
  })
})

describe('POST /keys/claim at the same moment', () => {
  test('each key goes to one of many who ask at once', async () => {
    const key = makeKey(alice.deviceId)
    const ids = Array.from({ length: 8 }, (_, i) => `K${i}`)
    await upload(alice, { one_time_keys: oneTimeKeys(alice, key, ids) })
    const answers = await Promise.all(Array.from({ length: 12 }, () => claimed()))
    const given = answers.flatMap(answer => Object.keys(answer ?? {}))
    expect(given.sort()).toEqual(ids.map(id => `${algorithm}:${id}`).sort())
  })

  test('many claims of many devices, in either order, do not block each other', async () => {
    for (const owner of [alice, bob]) {
      const key = makeKey(owner.deviceId)
      await upload(owner, {
        one_time_keys: oneTimeKeys(owner, key, ['A', 'B', 'C']),
        fallback_keys: oneTimeKeys(owner, key, ['F'], { fallback: true }),
      })
    }
    const ofBob = { [bob.userId]: { [bob.deviceId]: algorithm } }
    const orders = [
      { ...ofAlice(), ...ofBob },
      { ...ofBob, ...ofAlice() },
    ]
    const answers = await Promise.all(
      Array.from({ length: 10 }, (_, i) => claim(alice, orders[i % 2] ?? {})),
    )
    for (const [userId, deviceId] of [
      [alice.userId, alice.deviceId],
      [bob.userId, bob.deviceId],
    ] as const) {
      const given = answers.flatMap(answer => Object.keys(answer[userId][deviceId]))
      expect(given.length).toBe(10)
      const oneTime = given.filter(name => name !== `${algorithm}:F`).sort()
      expect(oneTime).toEqual(['A', 'B', 'C'].map(id => `${algorithm}:${id}`))
    }
  })
})

describe('Fallback keys', () => {
  const unused = async () => (await alice.sync()).device_unused_fallback_key_types

  test('one is given when there is no one-time key, again and again; /sync tells that it is used', async () => {
    const key = makeKey(alice.deviceId)
    const fallback = oneTimeKeys(alice, key, ['F1'], { fallback: true })
    expect(await unused()).toEqual([])
    const body = { one_time_keys: oneTimeKeys(alice, key, ['A']), fallback_keys: fallback }
    expect(await upload(alice, body)).toEqual({ [algorithm]: 1 })
    expect(await unused()).toEqual([algorithm])
    expect(Object.keys(await claimed())).toEqual([`${algorithm}:A`])
    expect(await unused()).toEqual([algorithm])
    expect(await claimed()).toEqual(fallback)
    expect(await unused()).toEqual([])
    expect(await claimed()).toEqual(fallback)

    await upload(alice, { fallback_keys: fallback })
    expect(await unused()).toEqual([])
    const next = oneTimeKeys(alice, key, ['F2'], { fallback: true })
    await upload(alice, { fallback_keys: next })
    expect(await unused()).toEqual([algorithm])
    expect(await claimed()).toEqual(next)
  })

  test('device_one_time_keys_count is in every /sync', async () => {
    const counts = async (since?: string) =>
      (await alice.sync(since ? { since } : {})).device_one_time_keys_count
    expect(await counts()).toEqual({ [algorithm]: 0 })
    const { next_batch } = await alice.sync()
    const key = makeKey(alice.deviceId)
    await upload(alice, { one_time_keys: oneTimeKeys(alice, key, ['A', 'B']) })
    expect(await counts(next_batch)).toEqual({ [algorithm]: 2 })
    await claimed()
    expect(await counts(next_batch)).toEqual({ [algorithm]: 1 })
    const laptop = alice.sibling()
    await laptop.login()
    const ofLaptop = async () => (await laptop.sync()).device_one_time_keys_count
    expect(await ofLaptop()).toEqual({ [algorithm]: 0 })

    const laptopKey = makeKey(laptop.deviceId)
    await upload(laptop, { one_time_keys: oneTimeKeys(laptop, laptopKey, ['A']) })
    expect(await ofLaptop()).toEqual({ [algorithm]: 1 })
    await laptop.ok('POST', '/_matrix/client/v3/logout', { body: {} })
    await laptop.login({ device_id: laptop.deviceId })
    expect(await ofLaptop()).toEqual({ [algorithm]: 0 })
  })
})

describe('Bad input', () => {
  const post = (path: string, body: JsonObject) =>
    refusal(alice.ok('POST', `/_matrix/client/v3/keys/${path}`, { body }))

  test.each<[string, string, JsonObject]>([
    ['TestKeysQueryWithDeviceIDAsObjectFails', 'query', { device_keys: { '@bob:hs1': { D: 1 } } }],
    ['a device ID that is no string', 'query', { device_keys: { '@bob:hs1': [1] } }],
    ['a claim of no map', 'claim', { one_time_keys: { '@bob:hs1': ['D'] } }],
    ['an algorithm that is no string', 'claim', { one_time_keys: { '@bob:hs1': { D: {} } } }],
    ['a name without an algorithm', 'upload', { one_time_keys: { AAAA: 'x' } }],
    ['a name with NUL', 'upload', { one_time_keys: { 'curve25519:\0': 'x' } }],
    ['a key that is a number', 'upload', { fallback_keys: { 'curve25519:A': 1 } }],
    ['a key without signatures', 'upload', { one_time_keys: { 'a:A': { key: 'x' } } }],
    ['keys that are a list', 'upload', { one_time_keys: [] }],
  ])('%s: 400 M_BAD_JSON', async (_, path, body) => {
    const before = await server.rowCounts()
    expect(await post(path, body)).toMatchObject({ status: 400, errcode: 'M_BAD_JSON' })
    expect(await server.rowCounts()).toEqual(before)
  })

  test('names that no user and no device can have are like any that there is not', async () => {
    const wanted = { [alice.userId]: { '\0': algorithm, D: '\0' }, '@\0:hs1': { D: algorithm } }
    expect(await claim(bob, wanted)).toEqual({})
    expect((await query(bob, { '@\0:hs1': [] })).device_keys).toEqual({})
  })
})
