import { type Client, refusal } from '../support/client.ts'
import { startServer, type TestServer } from '../support/server.ts'
import type { JsonObject } from '../support/wire.ts'

const devices = '/_matrix/client/v3/devices'
const notFound = { status: 404, body: { errcode: 'M_NOT_FOUND' } }
const forbidden = { status: 403, body: { errcode: 'M_FORBIDDEN' } }
const flows = [{ stages: ['m.login.password'] }]

let server: TestServer
let alice: Client
beforeAll(async () => {
  server = await startServer({
    config: { refresh_token_lifetime_ms: 7_200_000, trusted_proxies: ['127.0.0.1'] },
  })
})
beforeEach(async () => {
  alice = await server.user('alice')
})
afterAll(() => server.stop())

async function another(client: Client, extra: JsonObject = {}): Promise<Client> {
  const other = client.sibling()
  await other.login(extra)
  return other
}
const listed = async (client: Client): Promise<JsonObject[]> =>
  (await client.ok('GET', devices)).devices
const remove = (client: Client, deviceId: string, body?: JsonObject) =>
  client.request('DELETE', `${devices}/${deviceId}`, { body })
const removeMany = (client: Client, deviceIds: string[], auth?: JsonObject) =>
  client.request('POST', '/_matrix/client/v3/delete_devices', {
    body: auth === undefined ? { devices: deviceIds } : { devices: deviceIds, auth },
  })

describe('TestDeviceManagement', () => {
  test('GET /device/{deviceId}, and GET /devices', async () => {
    const phone = { device_id: 'PHONE', initial_device_display_name: 'A phone' }
    await another(alice, phone)
    expect(await alice.ok('GET', `${devices}/PHONE`)).toMatchObject({
      device_id: 'PHONE',
      display_name: 'A phone',
    })
    const ids = (await listed(alice)).map(({ device_id }) => device_id)
    expect(ids.sort()).toEqual([alice.deviceId, 'PHONE'].sort())
  })

  test('GET and PUT /devices/{deviceId} give a 404 for unknown devices', async () => {
    expect(await alice.request('GET', `${devices}/NONE`)).toMatchObject(notFound)
    const body = { display_name: 'x' }
    expect(await alice.request('PUT', `${devices}/NONE`, { body })).toMatchObject(notFound)
    expect(await listed(alice)).toHaveLength(1)
  })

  test('PUT /device/{deviceId} updates device fields', async () => {
    const path = `${devices}/${alice.deviceId}`
    await alice.ok('PUT', path, { body: { display_name: 'Renamed' } })
    await alice.ok('PUT', path, { body: {} })
    expect((await alice.ok('GET', path)).display_name).toBe('Renamed')
  })

  test('DELETE /device/{deviceId}', async () => {
    const phone = await another(alice)
    const { status, body } = await remove(alice, phone.deviceId)
    expect(status).toBe(401)
    expect(body).toEqual({ session: expect.any(String), flows, params: {} })
    const wrong = { ...alice.proof('wrong'), session: body.session }
    expect(await remove(alice, phone.deviceId, { auth: wrong })).toMatchObject({
      status: 401,
      body: { errcode: 'M_FORBIDDEN', error: expect.any(String), session: body.session, flows },
    })
    const right = { ...alice.proof(), session: body.session }
    expect((await remove(alice, phone.deviceId, { auth: right })).status).toBe(200)
    expect(await refusal(phone.sync())).toMatchObject({ status: 401 })
    expect(await alice.request('GET', `${devices}/${phone.deviceId}`)).toMatchObject(notFound)
  })

  test('DELETE /device/{deviceId} requires UI auth user to match device owner', async () => {
    const bob = await server.user('bob')
    const phone = await another(alice)
    const auth = { auth: bob.proof() }
    expect(await remove(alice, phone.deviceId, auth)).toMatchObject(forbidden)
    await phone.sync()
  })
})

test('GET /devices/{deviceId} reads no other devices', async () => {
  const bob = await server.user('bob')
  const rows = async () => {
    const read = await server.rowsRead(() => bob.ok('GET', `${devices}/${bob.deviceId}`))
    return read.rows
  }
  await rows()
  const alone = await rows()
  for (let i = 0; i < 10; i++) await bob.sibling().login()
  await rows()
  expect(await rows()).toBe(alone)
})

describe('Devices of another user', () => {
  test('cannot be seen, renamed or removed', async () => {
    const bob = await server.user('bob')
    const path = `${devices}/${alice.deviceId}`
    expect(await bob.request('GET', path)).toMatchObject(notFound)
    const body = { display_name: 'mine' }
    expect(await bob.request('PUT', path, { body })).toMatchObject(notFound)
    await removeMany(bob, [alice.deviceId], bob.proof())
    await alice.sync()
  })
})

describe('POST /_matrix/client/v3/delete_devices', () => {
  test('all of them go, and those who are not there do not matter', async () => {
    const [phone, tablet] = [await another(alice), await another(alice)]
    const ids = [phone.deviceId, tablet.deviceId, 'NONE']
    expect((await removeMany(alice, ids)).status).toBe(401)
    expect((await removeMany(alice, ids, alice.proof())).status).toBe(200)
    expect((await listed(alice)).map(({ device_id }) => device_id)).toEqual([alice.deviceId])
  })
})

describe('User-interactive authentication', () => {
  const sessionFor = async (ids: string[]) => (await removeMany(alice, ids)).body.session

  test('a session is good for what it was opened for, and nothing else', async () => {
    const [phone, tablet] = [await another(alice), await another(alice)]
    const session = await sessionFor([phone.deviceId])
    const auth = { ...alice.proof(), session }
    expect(await removeMany(alice, [tablet.deviceId], auth)).toMatchObject(forbidden)
    const password = { new_password: 'another', auth }
    expect(
      await alice.request('POST', '/_matrix/client/v3/account/password', { body: password }),
    ).toMatchObject(forbidden)
    await tablet.sync()
    expect((await removeMany(alice, [phone.deviceId], auth)).status).toBe(200)
  })

  test("nor for another user, though it is that user's own password", async () => {
    const session = await sessionFor(['X'])
    const bob = await server.user('bob')
    expect(await removeMany(bob, ['X'], { ...bob.proof(), session })).toMatchObject(forbidden)
  })

  test('to ask again with the session alone gives the same session', async () => {
    const session = await sessionFor(['X'])
    const { status, body } = await removeMany(alice, ['X'], { session })
    expect(status).toBe(401)
    expect(body.session).toBe(session)
  })

  test('a session ends, and a new one is offered', async () => {
    const session = await sessionFor(['X'])
    await server.advance(900_000)
    const { status, body } = await removeMany(alice, ['X'], { ...alice.proof(), session })
    expect(status).toBe(401)
    expect(body.session).not.toBe(session)
    const auth = { ...alice.proof(), session: body.session }
    expect((await removeMany(alice, ['X'], auth)).status).toBe(200)
  })
})

describe('A refresh token that ends', () => {
  const refresh = (token: string) =>
    alice.request('POST', '/_matrix/client/v3/refresh', { body: { refresh_token: token } })

  test('it refreshes until then; afterwards one logs in again, and keeps the device', async () => {
    const phone = alice.sibling()
    const { refresh_token: first } = await phone.login({ refresh_token: true })
    await server.advance(7_199_999)
    const { refresh_token: second } = (await refresh(first)).body
    await server.advance(7_200_000)
    expect(await refresh(second)).toMatchObject({
      status: 401,
      body: { errcode: 'M_UNKNOWN_TOKEN', soft_logout: true },
    })
    expect((await listed(alice)).map(({ device_id }) => device_id)).toContain(phone.deviceId)
  })
})

describe('When and from where a device was last seen', () => {
  const headers = { 'X-Forwarded-For': '203.0.113.7', 'User-Agent': 'A browser' }
  const see = (client: Client) => client.ok('GET', '/_matrix/client/v3/account/whoami', { headers })

  test('GET /devices tells of the last request, also after a restart', async () => {
    const phone = await another(alice)
    await see(phone)
    const seenAt = server.now()
    await server.restart(120_000)
    const device = (await listed(alice)).find(({ device_id }) => device_id === phone.deviceId)
    expect(device).toEqual({
      device_id: phone.deviceId,
      last_seen_ts: seenAt,
      last_seen_ip: '203.0.113.7',
    })
  })

  test('GET /admin/whois/{userId} tells the user, and administrators, and nobody else', async () => {
    await see(alice)
    const whois = (client: Client) =>
      client.request('GET', `/_matrix/client/v3/admin/whois/${alice.userId}`, { headers })
    expect((await whois(alice)).body).toEqual({
      user_id: alice.userId,
      devices: {
        [alice.deviceId]: {
          sessions: [
            {
              connections: [
                {
                  ip: '203.0.113.7',
                  last_seen: server.now(),
                  user_agent: expect.stringMatching(/^A browser/),
                },
              ],
            },
          ],
        },
      },
    })
    expect(await whois(await server.user('bob'))).toMatchObject(forbidden)
  })
})

describe('A device with the ID of one that was logged out', () => {
  const login = async (client: Client) => {
    const device = client.sibling()
    await device.login({ device_id: 'PHONE' })
    return device
  }

  test('gets no messages that were under way to the earlier one', async () => {
    const [alice, bob] = [await server.user('alice'), await server.user('bob')]
    const messages = { [bob.userId]: { PHONE: { body: 'for the earlier one' } } }
    for (let round = 0; round < 5; round++) {
      const earlier = await login(bob)
      const sending = [1, 2, 3, 4].map(i =>
        alice.ok('PUT', `/_matrix/client/v3/sendToDevice/m.test/${round}-${i}`, {
          body: { messages },
        }),
      )
      await Promise.all([earlier.ok('POST', '/_matrix/client/v3/logout'), ...sending])
      const { to_device } = await (await login(bob)).sync()
      expect(to_device?.events ?? []).toEqual([])
    }
  })

  test('is not given the answers of the earlier one', async () => {
    const bob = await server.user('bob')
    const room = await bob.createRoom()
    const message = (body: string) => ({ msgtype: 'm.text', body })
    for (let round = 0; round < 5; round++) {
      const earlier = await login(bob)
      const send = (i: number) =>
        earlier.send(room, 'm.room.message', message('earlier'), `${round}-${i}`)
      const sending = [1, 2, 3, 4].map(i => send(i).catch(() => undefined))
      await Promise.all([earlier.ok('POST', '/_matrix/client/v3/logout'), ...sending])
      const later = await login(bob)
      for (const i of [1, 2, 3, 4]) {
        const id = await later.send(room, 'm.room.message', message('later'), `${round}-${i}`)
        expect((await later.event(room, id)).content).toEqual(message('later'))
      }
    }
  })
})
