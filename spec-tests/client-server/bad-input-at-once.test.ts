import type { Answer, Client } from '../support/client.ts'
import { gist } from '../support/refusals.ts'
import { startServer, type TestServer } from '../support/server.ts'
import type { JsonObject } from '../support/wire.ts'

let server: TestServer
let alice: Client
let bob: Client
beforeAll(async () => {
  server = await startServer()
  alice = await server.user('alice')
  bob = await server.user('bob')
})
afterAll(() => server.stop())

const v3 = '/_matrix/client/v3'

/** Run `atOnce` again and again. @returns each outcome that ever occurred */
async function outcomesOf(atOnce: () => Promise<Answer[]>): Promise<string[]> {
  const outcomes = new Set<string>()
  for (let round = 0; round < 20; round++) {
    for (const answer of await atOnce()) outcomes.add(gist(answer))
  }
  return [...outcomes].sort()
}

describe('Requests that get in each other’s way are decided one after the other', () => {
  test('one device logs in, refreshes and logs out', async () => {
    const charlie = await server.user('charlie')
    const identifier = { type: 'm.id.user', user: charlie.userId }
    const { password } = charlie
    const body = { type: 'm.login.password', identifier, password, device_id: 'ONE' }
    const post = (path: string, options: { body?: JsonObject; token?: string | null }) =>
      charlie.request('POST', `${v3}/${path}`, options)
    const logIn = () => post('login', { body: { ...body, refresh_token: true }, token: null })

    const outcomes = await outcomesOf(async () => {
      const { access_token, refresh_token } = (await logIn()).body
      return Promise.all([
        post('logout', { token: access_token }),
        logIn(),
        post('refresh', { body: { refresh_token }, token: null }),
        post('logout/all', { token: access_token }),
        logIn(),
      ])
    })
    expect(outcomes).toEqual(['200', '401 M_UNKNOWN_TOKEN'])
  })

  test('a refreshed token is used for the first time, and its device logs out', async () => {
    const outcomes = await outcomesOf(async () => {
      const first = await alice.sibling().login({ device_id: 'TWO', refresh_token: true })
      const { refresh_token } = first
      const fresh = await alice.ok('POST', `${v3}/refresh`, { body: { refresh_token } })
      const whoAmI = () =>
        alice.request('GET', `${v3}/account/whoami`, { token: fresh.access_token })
      const logOut = () => alice.request('POST', `${v3}/logout`, { token: first.access_token })
      return Promise.all([whoAmI(), logOut(), whoAmI()])
    })
    expect(outcomes).toEqual(expect.arrayContaining(['200']))
    expect(outcomes.filter(one => one !== '200' && one !== '401 M_UNKNOWN_TOKEN')).toEqual([])
  })

  test('many register under one name', async () => {
    const body = { auth: { type: 'm.login.dummy' }, username: 'wanted', password: 'x' }
    const register = () => bob.request('POST', `${v3}/register`, { body, token: null })
    const answers = await Promise.all(Array.from({ length: 8 }, register))
    const gists = answers.map(gist).sort()
    expect(gists).toEqual(['200', ...Array(7).fill('400 M_USER_IN_USE')])
  })

  test('many make rooms with one alias, or give one alias to a room', async () => {
    const create = () =>
      bob.request('POST', `${v3}/createRoom`, { body: { room_alias_name: 'wanted' } })
    const created = await Promise.all(Array.from({ length: 6 }, create))
    expect(created.map(gist).sort()).toEqual(['200', ...Array(5).fill('400 M_ROOM_IN_USE')])
    const room_id = await bob.createRoom()
    const put = () => bob.request('PUT', `${v3}/directory/room/%23other:hs1`, { body: { room_id } })
    const given = await Promise.all(Array.from({ length: 6 }, put))
    expect(given.map(gist).sort()).toEqual(['200', ...Array(5).fill('409 M_UNKNOWN')])
  })

  test('one user joins, leaves, is invited, kicked and banned', async () => {
    const room = await alice.createRoom({ preset: 'public_chat' })
    const own = (name: string) => bob.request('POST', bob.roomPath(room, name), { body: {} })
    const moderate = (name: string) =>
      alice.request('POST', alice.roomPath(room, name), { body: { user_id: bob.userId } })
    const outcomes = await outcomesOf(() =>
      Promise.all([
        ...['join', 'leave', 'forget', 'join'].map(own),
        ...['invite', 'kick', 'ban', 'unban'].map(moderate),
      ]),
    )
    expect(outcomes).toEqual(expect.arrayContaining(['200', '403 M_FORBIDDEN']))
    expect(outcomes.filter(one => one.startsWith('5'))).toEqual([])
  })
})
