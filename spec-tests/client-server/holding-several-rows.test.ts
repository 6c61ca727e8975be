/**
 * Requests that each hold several rows of the database, and hold the same ones at the same moment: they
 * follow each other, and none is broken because two wait for one another. On PostgreSQL that is; the embedded
 * database does one thing after the other anyway.
 */
import type { Answer, Client } from '../support/client.ts'
import {
  crossSigningSet,
  deviceKeysOf,
  makeKey,
  oneTimeKeys,
  signedBy,
  upload,
} from '../support/keys.ts'
import { startServer, type TestServer } from '../support/server.ts'
import type { JsonObject } from '../support/wire.ts'

let server: TestServer
beforeAll(async () => {
  server = await startServer({ config: { database_connections: 24 } })
})
afterAll(() => server.stop())

const v3 = '/_matrix/client/v3'
const enc = encodeURIComponent
const indices = (count: number) => Array.from({ length: count }, (_, i) => i)

/** Run `atOnce` again and again. @returns what was answered, each status once */
async function statusesOf(
  rounds: number,
  atOnce: (round: number) => Promise<Pick<Answer, 'status'>[]>,
): Promise<number[]> {
  const statuses = new Set<number>()
  for (const round of indices(rounds)) {
    for (const { status } of await atOnce(round)) statuses.add(status)
  }
  return [...statuses].sort()
}

/** Users who have cross-signing keys, and have signed each other's. */
async function whoTrustEachOther(count: number): Promise<Client[]> {
  const clients = await Promise.all(indices(count).map(() => server.user()))
  const sets = new Map(clients.map(client => [client, crossSigningSet(client.userId)]))
  for (const [client, { body }] of sets) {
    await client.ok('POST', `${v3}/keys/device_signing/upload`, { body })
  }
  for (const [client, { userSigning }] of sets) {
    const others = [...sets].filter(([other]) => other !== client)
    const body = Object.fromEntries(
      others.map(([{ userId }, { master, body }]) => [
        userId,
        { [master.publicKey]: signedBy(body.master_key, client.userId, userSigning) },
      ]),
    )
    const { failures } = await client.ok('POST', `${v3}/keys/signatures/upload`, { body })
    expect(failures).toEqual({})
  }
  return clients
}

describe('Signatures', () => {
  test('the same are uploaded in one order and in the other', async () => {
    const alice = await server.user('alice')
    const others = await Promise.all(indices(6).map(() => server.user()))
    const set = crossSigningSet(alice.userId)
    await alice.ok('POST', `${v3}/keys/device_signing/upload`, { body: set.body })
    const statuses = await statusesOf(20, async () => {
      const signed = await Promise.all(
        others.map(async (other): Promise<[string, JsonObject]> => {
          const { master, body } = crossSigningSet(other.userId)
          const replacing = { master_key: body.master_key, auth: other.proof() }
          await other.ok('POST', `${v3}/keys/device_signing/upload`, { body: replacing })
          const object = signedBy(body.master_key, alice.userId, set.userSigning)
          return [other.userId, { [master.publicKey]: object }]
        }),
      )
      const send = (entries: typeof signed) =>
        alice.request('POST', `${v3}/keys/signatures/upload`, { body: Object.fromEntries(entries) })
      return Promise.all([send(signed), send([...signed].reverse())])
    })
    expect(statuses).toEqual([200])
  })

  test('all who trust each other replace their keys', async () => {
    const statuses = await statusesOf(5, async () => {
      const clients = await whoTrustEachOther(6)
      return Promise.all(
        clients.map(client => {
          const body = { ...crossSigningSet(client.userId).body, auth: client.proof() }
          return client.request('POST', `${v3}/keys/device_signing/upload`, { body })
        }),
      )
    })
    expect(statuses).toEqual([200])
  })

  test('all who trust each other close their accounts', async () => {
    const statuses = await statusesOf(5, async () => {
      const clients = await whoTrustEachOther(6)
      return Promise.all(
        clients.map(client =>
          client.request('POST', `${v3}/account/deactivate`, {
            body: { auth: client.proof() },
          }),
        ),
      )
    })
    expect(statuses).toEqual([200])
  })
})

/** As many devices of one user. */
async function devicesOf(client: Client, count: number): Promise<Client[]> {
  return Promise.all(
    indices(count).map(async () => {
      const device = client.sibling()
      await device.login()
      return device
    }),
  )
}

describe('Devices', () => {
  test('end while their keys are claimed', async () => {
    const [alice, bob] = [await server.user('alice'), await server.user('bob')]
    const statuses = await statusesOf(20, async () => {
      const devices = await devicesOf(bob, 6)
      await Promise.all(
        devices.map((device, i) => {
          const key = makeKey(device.deviceId)
          return upload(device, {
            device_keys: deviceKeysOf(device, key),
            // Every other one has nothing but a fallback key.
            one_time_keys: i % 2 ? oneTimeKeys(device, key, ['1', '2', '3', '4', '5', '6']) : {},
            fallback_keys: oneTimeKeys(device, key, ['f'], { fallback: true }),
          })
        }),
      )
      const ids = devices.map(({ deviceId }) => deviceId)
      const claim = () => {
        const wanted = Object.fromEntries(ids.map(id => [id, 'signed_curve25519']))
        const body = { one_time_keys: { [bob.userId]: wanted } }
        return alice.request('POST', `${v3}/keys/claim`, { body })
      }
      const body = { devices: ids, auth: bob.proof() }
      return Promise.all([
        claim(),
        claim(),
        bob.request('POST', `${v3}/delete_devices`, { body }),
        claim(),
        claim(),
      ])
    })
    expect(statuses).toEqual([200])
  })
})

describe('A room is deleted', () => {
  test('while those who were in it close their accounts', async () => {
    const operator = await server.admin()
    const statuses = await statusesOf(8, async () => {
      const clients = await Promise.all(indices(4).map(() => server.user()))
      const room = (await clients[0]?.createRoom({ preset: 'public_chat' })) ?? ''
      const roots: string[] = []
      for (const n of indices(4)) roots.push((await clients[0]?.say(room, `${n}`)) ?? '')
      await Promise.all(
        clients.map(async client => {
          await client.join(room)
          for (const root of roots) {
            const path = `/_matrix/client/unstable/io.element.msc4306/rooms/${enc(room)}/thread/${enc(root)}/subscription`
            await client.ok('PUT', path, { body: {} })
          }
          const data = `${v3}/user/${enc(client.userId)}/rooms/${enc(room)}/account_data`
          for (const type of ['org.a', 'org.b', 'org.c']) {
            await client.ok('PUT', `${data}/${type}`, { body: { n: 1 } })
          }
        }),
      )
      return Promise.all([
        operator.request('DELETE', `/_synapse/admin/v1/rooms/${enc(room)}`, { body: {} }),
        ...clients.map(client =>
          client.request('POST', `${v3}/account/deactivate`, {
            body: { auth: client.proof() },
          }),
        ),
      ])
    })
    expect(statuses).toEqual([200])
  })

  test('while its aliases move, and others speak in both rooms', async () => {
    const operator = await server.admin()
    const [alice, bob] = [await server.user('alice'), await server.user('bob')]
    const statuses = await statusesOf(20, async round => {
      const room = await alice.createRoom({
        preset: 'public_chat',
        room_alias_name: `moving-${round}`,
      })
      const path = `/_synapse/admin/v2/rooms/${enc(room)}`
      const body = { new_room_user_id: alice.userId, purge: false }
      const { delete_id } = await operator.ok('DELETE', path, { body })
      const status = () => operator.ok('GET', `/_synapse/admin/v2/rooms/delete_status/${delete_id}`)
      let deletion = await status()
      while (deletion.status === 'active') {
        const rooms = [room, deletion.shutdown_room?.new_room_id].filter(Boolean)
        await Promise.all(
          rooms.map(one =>
            bob.request('PUT', bob.roomPath(one, 'send', 'm.test', bob.nextTransactionId()), {
              body: {},
            }),
          ),
        )
        deletion = await status()
      }
      return [{ status: deletion.status }]
    })
    expect(statuses).toEqual(['complete'])
  })

  test('while it is read, and given aliases', async () => {
    const operator = await server.admin()
    const clients = await Promise.all(indices(4).map(() => server.user()))
    const statuses = await statusesOf(20, async round => {
      const room = (await clients[0]?.createRoom({ preset: 'public_chat' })) ?? ''
      for (const client of clients.slice(1)) await client.join(room)
      const roots: string[] = []
      for (const n of indices(6)) roots.push((await clients[0]?.say(room, `${n}`)) ?? '')
      let isOver = false
      const write = async (client: Client) => {
        const answers: Answer[] = []
        for (let i = 0; !isOver && i < 100; i++) {
          const root = roots[i % roots.length] ?? ''
          const alias = `#${client.userId.slice(1).split(':')[0]}-${round}-${i}:hs1`
          answers.push(
            ...(await Promise.all([
              client.request('POST', client.roomPath(room, 'receipt', 'm.read', root), {
                body: { thread_id: root },
              }),
              client.request('PUT', `${v3}/directory/room/${enc(alias)}`, {
                body: { room_id: room },
              }),
            ])),
          )
        }
        return answers
      }
      const writing = clients.map(write)
      await clients[0]?.ok('GET', `${v3}/account/whoami`)
      await operator.ok('DELETE', `/_synapse/admin/v1/rooms/${enc(room)}`, { body: {} })
      isOver = true
      return (await Promise.all(writing)).flat()
    })
    // Who comes too late is told that they are not in the room, or that it has no such event.
    expect(statuses.filter(status => ![200, 403, 404].includes(Number(status)))).toEqual([])
  })
})
