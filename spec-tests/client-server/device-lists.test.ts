import type { Client } from '../support/client.ts'
import { refusal } from '../support/client.ts'
import {
  beforeEachWithUsers,
  crossSigningSet,
  deviceKeysOf,
  makeKey,
  publishDevice,
  query,
  upload,
} from '../support/keys.ts'
import type { TestServer } from '../support/server.ts'

let server: TestServer
let alice: Client
let bob: Client
beforeEachWithUsers(all => {
  ;({ server, alice, bob } = all)
})

const v3 = '/_matrix/client/v3'
const nothing = { changed: [], left: [] }
const bobChanged = () => ({ changed: [bob.userId], left: [] })

/** What Alice is told after `since`, by /sync and by /keys/changes alike, twice. */
async function toldSince(since: string, client = alice) {
  const { device_lists, next_batch } = await client.sync({ since })
  expect((await client.sync({ since })).device_lists).toEqual(device_lists)
  const asked = { query: { from: since, to: next_batch } }
  expect(await client.ok('GET', `${v3}/keys/changes`, asked)).toEqual(device_lists)
  return device_lists
}
const now = async (client = alice) => (await client.sync()).next_batch

const shareRoom = async () => {
  const room = await alice.createRoom({ preset: 'public_chat' })
  await bob.join(room)
  return room
}

async function expectKeysOfBob(keys: unknown): Promise<void> {
  const { device_keys } = await query(alice, { [bob.userId]: [] })
  expect(device_keys[bob.userId][bob.deviceId]).toEqual({ ...(keys as object), unsigned: {} })
}

describe('TestDeviceListUpdates: GET /sync, device_lists', () => {
  test('when local user joins a room', async () => {
    const { keys } = await publishDevice(bob)
    const room = await alice.createRoom({ preset: 'public_chat' })
    const before = await now()
    await bob.join(room)
    expect(await toldSince(before)).toEqual(bobChanged())
    await expectKeysOfBob(keys)
    const joined = await now()
    const newer = await publishDevice(bob)
    expect(await toldSince(joined)).toEqual(bobChanged())
    await expectKeysOfBob(newer.keys)
  })

  test('when joining a room with a local user', async () => {
    await publishDevice(bob)
    const room = await bob.createRoom({ preset: 'public_chat' })
    const before = await now()
    await alice.join(room)
    expect(await toldSince(before)).toEqual(bobChanged())
    const joined = await now()
    const { keys } = await publishDevice(bob)
    expect(await toldSince(joined)).toEqual(bobChanged())
    await expectKeysOfBob(keys)
  })

  test.each(['local user leaves a room', 'leaving a room with a local user'])(
    'when %s',
    async what => {
      await publishDevice(bob)
      const room = await shareRoom()
      const before = await now()
      await (what.startsWith('local') ? bob : alice).leave(room)
      expect(await toldSince(before)).toEqual({ changed: [], left: [bob.userId] })
      const apart = await now()
      const { keys } = await publishDevice(bob)
      expect(await toldSince(apart)).toEqual(nothing)
      await expectKeysOfBob(keys)
    },
  )

  test('when local user rejoins a room, after a change that nobody was told of', async () => {
    await publishDevice(bob)
    const room = await shareRoom()
    const before = await now()
    await bob.leave(room)
    const apart = await now()
    const { keys } = await publishDevice(bob)
    await bob.join(room)
    expect(await toldSince(before)).toEqual(bobChanged())
    expect(await toldSince(apart)).toEqual(bobChanged())
    await expectKeysOfBob(keys)
  })
})

describe('GET /sync, device_lists.changed: what is told', () => {
  let before: string
  beforeEach(async () => {
    await publishDevice(bob)
    await shareRoom()
    before = await now()
  })

  test('TestKeyChangesLocal: a new login, once it has keys', async () => {
    const laptop = bob.sibling()
    await laptop.login()
    expect(await toldSince(before)).toEqual(nothing)
    await publishDevice(laptop)
    expect(await toldSince(before)).toEqual(bobChanged())
    const { device_keys } = await query(alice, { [bob.userId]: [] })
    expect(Object.keys(device_keys[bob.userId]).sort()).toEqual(
      [bob.deviceId, laptop.deviceId].sort(),
    )
  })

  test('the same keys again are no news', async () => {
    const keys = deviceKeysOf(bob, makeKey(bob.deviceId))
    await upload(bob, { device_keys: keys })
    const uploaded = await now()
    await upload(bob, { device_keys: keys })
    expect(await toldSince(uploaded)).toEqual(nothing)
  })

  test.each<[string, () => Promise<unknown>]>([
    [
      'another name',
      () =>
        bob.ok('PUT', `${v3}/devices/${bob.deviceId}`, { body: { display_name: 'another name' } }),
    ],
    ['a logout', () => bob.ok('POST', `${v3}/logout`)],
    ['a logout of all devices', () => bob.ok('POST', `${v3}/logout/all`)],
    [
      'a deleted device',
      () =>
        bob.ok('DELETE', `${v3}/devices/${bob.deviceId}`, {
          body: {
            auth: { type: 'm.login.password', user: bob.userId, password: bob.password },
          },
        }),
    ],
    [
      'new cross-signing keys',
      () =>
        bob.ok('POST', `${v3}/keys/device_signing/upload`, {
          body: crossSigningSet(bob.userId).body,
        }),
    ],
  ])('%s', async (_, change) => {
    await change()
    expect(await toldSince(before)).toEqual(bobChanged())
  })

  test('the end of a device without keys is no news', async () => {
    const laptop = bob.sibling()
    await laptop.login()
    await laptop.ok('POST', `${v3}/logout`)
    expect(await toldSince(before)).toEqual(nothing)
  })

  test('a closed account has left, and its keys are gone', async () => {
    await bob.ok('POST', `${v3}/keys/device_signing/upload`, {
      body: crossSigningSet(bob.userId).body,
    })
    const auth = { type: 'm.login.password', user: bob.userId, password: bob.password }
    await bob.ok('POST', `${v3}/account/deactivate`, { body: { auth } })
    expect(await toldSince(before)).toEqual({ changed: [], left: [bob.userId] })
    const { device_keys, master_keys } = await query(alice, { [bob.userId]: [] })
    expect([device_keys, master_keys]).toEqual([{ [bob.userId]: {} }, {}])
  })

  test('one’s own devices, in no room at all; never those of strangers', async () => {
    const charlie = await server.user('charlie')
    const since = await now(charlie)
    const laptop = charlie.sibling()
    await laptop.login()
    await publishDevice(laptop)
    await publishDevice(bob)
    expect(await toldSince(since, charlie)).toEqual({ changed: [charlie.userId], left: [] })
  })

  test('whoever waits in /sync is woken', async () => {
    const polling = alice.sync({ since: before, timeout: 30_000 })
    await server.untilWaiting(1)
    await publishDevice(bob)
    expect((await polling).device_lists).toEqual(bobChanged())
  })

  test('nothing is missed, however many change at once while Alice follows', async () => {
    const others = await Promise.all(
      Array.from({ length: 6 }, async () => {
        const other = await server.user('other')
        await other.join(await alice.createRoom({ preset: 'public_chat' }))
        return other
      }),
    )
    let since = await now()
    const seen: string[] = []
    let isOver = false
    const changes = Promise.all(others.map(publishDevice)).finally(() => {
      isOver = true
    })
    for (let last = false; !last; ) {
      last = isOver
      const { device_lists, next_batch } = await alice.sync({ since })
      seen.push(...device_lists.changed)
      since = next_batch
    }
    await changes
    expect(seen.sort()).toEqual(others.map(other => other.userId).sort())
  })
})

test('of changes of the same keys the latest is kept, and nobody misses one for it', async () => {
  await shareRoom()
  const from = await now()
  await publishDevice(bob)
  const to = await now()
  await publishDevice(alice)
  const { device_list_changes: before } = await server.rowCounts()
  for (let i = 0; i < 3; i++) await publishDevice(bob)
  expect((await server.rowCounts()).device_list_changes).toBe(before)
  const asked = { query: { from, to } }
  expect(await alice.ok('GET', `${v3}/keys/changes`, asked)).toMatchObject({
    changed: expect.arrayContaining([bob.userId]),
  })
  expect((await alice.sync({ since: from })).device_lists?.changed).toContain(bob.userId)
  expect((await alice.sync({ since: to })).device_lists?.changed).toContain(bob.userId)
})

test('GET /keys/changes: only between tokens of this server, and nothing from later to earlier', async () => {
  const from = await now()
  await publishDevice(alice)
  const to = await now()
  const changes = (query: Record<string, string>) =>
    alice.ok('GET', `${v3}/keys/changes`, { query })
  expect(await changes({ from, to })).toEqual({ changed: [alice.userId], left: [] })
  expect(await changes({ from: to, to: from })).toEqual(nothing)
  expect(await refusal(changes({ from: 'x', to }))).toMatchObject({ errcode: 'M_INVALID_PARAM' })
  expect(await refusal(changes({ from }))).toMatchObject({ errcode: 'M_MISSING_PARAM' })
})
