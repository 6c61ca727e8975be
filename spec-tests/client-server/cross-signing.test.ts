import type { Client } from '../support/client.ts'
import { refusal } from '../support/client.ts'
import {
  beforeEachWithUsers,
  crossSigningKey,
  crossSigningSet,
  makeKey,
  publishDevice,
  query,
  type SigningKey,
  signedBy,
} from '../support/keys.ts'
import type { TestServer } from '../support/server.ts'
import type { JsonObject } from '../support/wire.ts'

let server: TestServer
let alice: Client
let bob: Client
beforeEachWithUsers(all => {
  ;({ server, alice, bob } = all)
})

const path = '/_matrix/client/v3/keys/device_signing/upload'
const publish = (client: Client, body: JsonObject) => client.ok('POST', path, { body })
const withPassword = (client: Client, session?: string) => ({
  type: 'm.login.password',
  identifier: { type: 'm.id.user', user: client.userId },
  password: client.password,
  ...(session ? { session } : {}),
})

async function publishSet(client: Client) {
  const set = crossSigningSet(client.userId)
  await publish(client, set.body)
  return set
}

const keysOf = async (of: Client, seenBy: Client) => {
  const answer = await query(seenBy, { [of.userId]: [] })
  return {
    master_key: answer.master_keys[of.userId],
    self_signing_key: answer.self_signing_keys[of.userId],
    user_signing_key: answer.user_signing_keys[of.userId],
  }
}

describe('TestMSC3967: POST /keys/device_signing/upload', () => {
  test('the first keys, and the same again, need no proof; others do', async () => {
    const { master, body } = crossSigningSet(alice.userId)
    await publish(alice, { master_key: body.master_key })
    await publish(alice, { master_key: body.master_key })

    const other = crossSigningSet(alice.userId).body
    expect(await refusal(publish(alice, { master_key: other.master_key }))).toMatchObject({
      status: 401,
      body: { flows: [{ stages: ['m.login.password'] }], params: {} },
    })
    const challenge = await refusal(publish(alice, { self_signing_key: body.self_signing_key }))
    expect(challenge).toMatchObject({ status: 401, body: { session: expect.any(String) } })
    expect((await keysOf(alice, alice)).self_signing_key).toBeUndefined()

    const auth = withPassword(alice, challenge.body.session)
    const proven = { self_signing_key: body.self_signing_key, auth }
    await publish(alice, proven)
    await publish(alice, proven)
    expect((await keysOf(alice, alice)).self_signing_key).toEqual(body.self_signing_key)
    expect(master.publicKey).toHaveLength(43)
  })

  test('a new master key replaces all that the old one vouched for', async () => {
    const old = await publishSet(alice)
    const { keys } = await publishDevice(alice)
    const signed = signedBy({ ...keys, signatures: {} }, alice.userId, old.selfSigning)
    await sign(alice, alice, { [alice.deviceId]: signed })

    const { body } = crossSigningSet(alice.userId)
    await publish(alice, { master_key: body.master_key, auth: withPassword(alice) })
    expect(await keysOf(alice, alice)).toEqual({ master_key: body.master_key })
    const { device_keys } = await query(bob, { [alice.userId]: [] })
    expect(device_keys[alice.userId][alice.deviceId].signatures).toEqual(keys.signatures)
  })

  test('a wrong password, and another user’s, change nothing', async () => {
    const { body } = await publishSet(alice)
    const other = crossSigningSet(alice.userId).body
    const wrong = { ...withPassword(alice), password: 'wrong' }
    expect(await refusal(publish(alice, { ...other, auth: wrong }))).toMatchObject({
      status: 401,
      errcode: 'M_FORBIDDEN',
    })
    const bobs = publish(alice, { ...other, auth: withPassword(bob) })
    expect(await refusal(bobs)).toMatchObject({ status: 403, errcode: 'M_FORBIDDEN' })
    expect(await keysOf(alice, alice)).toEqual(body)
  })

  test('of two first sets at once, one is asked for proof', async () => {
    const sets = [crossSigningSet(alice.userId), crossSigningSet(alice.userId)]
    const answers = await Promise.all(sets.map(({ body }) => alice.request('POST', path, { body })))
    expect(answers.map(answer => answer.status).sort()).toEqual([200, 401])
    const winner = sets[answers.findIndex(answer => answer.status === 200)]
    expect(await keysOf(alice, alice)).toEqual(winner?.body)
  })
})

describe('POST /keys/device_signing/upload: bad input', () => {
  const key = (change: JsonObject, usage = 'master') => ({
    ...crossSigningKey(alice.userId, usage, makeKey()),
    ...change,
  })

  test.each<[string, string, () => JsonObject]>([
    ['no key at all', 'M_MISSING_PARAM', () => ({})],
    [
      'no master key anywhere',
      'M_MISSING_PARAM',
      () => ({ self_signing_key: crossSigningSet(alice.userId).body.self_signing_key }),
    ],
    [
      'a key signed by another master key',
      'M_INVALID_SIGNATURE',
      () => ({
        ...crossSigningSet(alice.userId).body,
        master_key: crossSigningSet(alice.userId).body.master_key,
      }),
    ],
    [
      'a key that is not signed',
      'M_INVALID_SIGNATURE',
      () => ({ master_key: key({}), user_signing_key: key({}, 'user_signing') }),
    ],
    ['another user’s key', 'M_INVALID_PARAM', () => ({ master_key: key({ user_id: '@x:hs1' }) })],
    ['another usage', 'M_INVALID_PARAM', () => ({ master_key: key({}, 'self_signing') })],
    ['no usage', 'M_BAD_JSON', () => ({ master_key: key({ usage: null }) })],
    ['no keys', 'M_BAD_JSON', () => ({ master_key: key({ keys: {} }) })],
    [
      'two keys',
      'M_BAD_JSON',
      () => ({ master_key: key({ keys: { 'ed25519:a': 'a', 'ed25519:b': 'b' } }) }),
    ],
    [
      'a key under another name',
      'M_INVALID_PARAM',
      () => ({ master_key: key({ keys: { 'ed25519:A': makeKey().publicKey } }) }),
    ],
    ['odd signatures', 'M_BAD_JSON', () => ({ master_key: key({ signatures: { '@x:hs1': 1 } }) })],
  ])('%s: %s', async (_, errcode, body) => {
    const before = await server.rowCounts()
    expect(await refusal(publish(alice, body()))).toMatchObject({ status: 400, errcode })
    expect(await server.rowCounts()).toEqual(before)
  })

  test('a key with the name of a device, and a device with the name of a key: 403', async () => {
    const { master, body } = crossSigningSet(alice.userId)
    const laptop = alice.sibling()
    await laptop.login({ device_id: master.publicKey })
    expect(await refusal(publish(alice, body))).toMatchObject({ errcode: 'M_FORBIDDEN' })
    const published = await publishSet(alice)
    const login = alice.sibling().login({ device_id: published.selfSigning.publicKey })
    expect(await refusal(login)).toMatchObject({ status: 403, errcode: 'M_FORBIDDEN' })
  })
})

const sign = async (client: Client, target: Client, objects: JsonObject) => {
  const body = { [target.userId]: objects }
  const answer = await client.ok('POST', '/_matrix/client/v3/keys/signatures/upload', { body })
  return answer.failures as JsonObject
}

describe('POST /keys/signatures/upload', () => {
  const bare = ({ signatures: _, ...key }: JsonObject): JsonObject => key
  const signaturesOn = (key: JsonObject, signer: Client) => key?.signatures?.[signer.userId] ?? {}

  test('the self-signing key signs a device: all see it, and those in the room are told', async () => {
    await bob.join(await alice.createRoom({ preset: 'public_chat' }))
    const { selfSigning } = await publishSet(alice)
    const { keys, key } = await publishDevice(alice)
    const { next_batch: since } = await bob.sync()
    const signed = signedBy(bare(keys), alice.userId, selfSigning)
    expect(await sign(alice, alice, { [alice.deviceId]: signed })).toEqual({})
    expect((await bob.sync({ since })).device_lists.changed).toEqual([alice.userId])
    const { device_keys } = await query(bob, { [alice.userId]: [] })
    const seen = device_keys[alice.userId][alice.deviceId]
    expect(Object.keys(signaturesOn(seen, alice)).sort()).toEqual(
      [key.keyId, selfSigning.keyId].sort(),
    )

    const { next_batch: later } = await bob.sync()
    await sign(alice, alice, { [alice.deviceId]: signed })
    expect((await bob.sync({ since: later })).device_lists.changed).toEqual([])
  })

  test('a device signs the master key: all see it', async () => {
    const { body, master } = await publishSet(alice)
    const { key } = await publishDevice(alice)
    const signed = signedBy(body.master_key, alice.userId, key)
    expect(await sign(alice, alice, { [master.publicKey]: signed })).toEqual({})
    expect((await keysOf(alice, bob)).master_key).toEqual(signed)
    await alice.ok('POST', '/_matrix/client/v3/logout')
    expect((await keysOf(alice, bob)).master_key).toEqual(body.master_key)
  })

  test('the user-signing key signs another’s master key: only the signer sees it and is told', async () => {
    await bob.join(await alice.createRoom({ preset: 'public_chat' }))
    const charlie = await server.user('charlie')
    const { userSigning } = await publishSet(alice)
    const bobs = await publishSet(bob)
    const since = { alice: await alice.sync(), bob: await bob.sync() }
    const signed = signedBy(bobs.body.master_key, alice.userId, userSigning)
    expect(await sign(alice, bob, { [bobs.master.publicKey]: signed })).toEqual({})

    expect((await keysOf(bob, alice)).master_key).toEqual(signed)
    for (const other of [bob, charlie]) {
      expect((await keysOf(bob, other)).master_key).toEqual(bobs.body.master_key)
    }
    const told = await alice.sync({ since: since.alice.next_batch })
    expect(told.device_lists.changed).toEqual([bob.userId])
    expect((await bob.sync({ since: since.bob.next_batch })).device_lists.changed).toEqual([])
  })

  test('what one alone is told of somebody’s keys is not in place of what all are, nor the other way round', async () => {
    const room = await alice.createRoom({ preset: 'public_chat' })
    const charlie = await server.user('charlie')
    for (const other of [bob, charlie]) await other.join(room)
    const { userSigning } = await publishSet(alice)
    const bobs = await publishSet(bob)
    const signed = signedBy(bobs.body.master_key, alice.userId, userSigning)
    const since = { alice: await alice.sync(), charlie: await charlie.sync() }
    await publishDevice(bob)
    await sign(alice, bob, { [bobs.master.publicKey]: signed })
    const told = await charlie.sync({ since: since.charlie.next_batch })
    expect(told.device_lists.changed).toEqual([bob.userId])
    await alice.leave(room)
    await publishDevice(bob)
    const { changed } = (await alice.sync({ since: since.alice.next_batch })).device_lists
    expect(changed).toEqual([bob.userId])
  })

  test('user-signing keys are only for their owners', async () => {
    const { body } = await publishSet(alice)
    expect(await keysOf(alice, alice)).toEqual(body)
    expect(await keysOf(alice, bob)).toEqual({ ...body, user_signing_key: undefined })
  })

  test('each failure is told by key, and what is right is stored', async () => {
    const { selfSigning, master, body, userSigning } = await publishSet(alice)
    const bobs = await publishSet(bob)
    const { keys } = await publishDevice(alice)
    const by = (object: JsonObject, key: SigningKey) => signedBy(bare(object), alice.userId, key)
    const invalid = { errcode: 'M_INVALID_SIGNATURE' }
    const forged = by(body.master_key, makeKey(alice.deviceId))
    const answer = await alice.ok('POST', '/_matrix/client/v3/keys/signatures/upload', {
      body: {
        [alice.userId]: {
          [alice.deviceId]: by(keys, selfSigning),
          [master.publicKey]: forged,
          NONE: by(keys, selfSigning),
        },
        [bob.userId]: {
          // Not the key that is stored, and not the key that signs others.
          [bobs.master.publicKey]: by({ ...bobs.body.master_key, more: 1 }, userSigning),
          [bobs.selfSigning.publicKey]: by(bobs.body.self_signing_key, userSigning),
        },
        'no user': { x: {} },
      },
    })
    expect(answer).toMatchObject({
      failures: {
        [alice.userId]: { [master.publicKey]: invalid, NONE: { errcode: 'M_NOT_FOUND' } },
        [bob.userId]: {
          [bobs.master.publicKey]: invalid,
          [bobs.selfSigning.publicKey]: { errcode: 'M_NOT_FOUND' },
        },
        'no user': { x: { errcode: 'M_NOT_FOUND' } },
      },
    })
    expect(Object.keys(answer.failures[alice.userId])).not.toContain(alice.deviceId)
    const wrongKey = by(bobs.body.master_key, selfSigning)
    expect(await sign(alice, bob, { [bobs.master.publicKey]: wrongKey })).toMatchObject({
      [bob.userId]: { [bobs.master.publicKey]: invalid },
    })
    expect((await keysOf(bob, alice)).master_key).toEqual(bobs.body.master_key)
    const { device_keys } = await query(alice, { [alice.userId]: [] })
    const seen = device_keys[alice.userId][alice.deviceId]
    expect(Object.keys(signaturesOn(seen, alice))).toContain(selfSigning.keyId)
  })
})
