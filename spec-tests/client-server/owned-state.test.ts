import { type Client, refusal } from '../support/client.ts'
import { startServer, type TestServer } from '../support/server.ts'

let server: TestServer
let alice: Client
let bob: Client
let charlie: Client
beforeAll(async () => {
  server = await startServer()
  alice = await server.user('alice')
  bob = await server.user('bob')
  charlie = await server.user('charlie')
})
afterAll(() => server.stop())

const type = 'com.example.test'
const suffix = '_state_key_suffix:!@#$123'

describe.each(['org.matrix.msc3757.10', 'org.matrix.msc3757.11'])(
  'TestMSC3757OwnedState: in a room of version %s',
  version => {
    let room: string
    beforeAll(async () => {
      room = await alice.createRoom({
        room_version: version,
        preset: 'public_chat',
        power_level_content_override: { events: { [type]: 0 } },
      })
      for (const client of [bob, charlie]) await client.join(room)
    })
    const set = (client: Client, stateKey: string) => client.setState(room, type, stateKey, {})

    test('one sets state under the own ID, with and without a suffix', async () => {
      for (const stateKey of [bob.userId, bob.userId + suffix, `${bob.userId}_`]) {
        await set(bob, stateKey)
        expect(await alice.state(room, type, stateKey)).toEqual({})
      }
    })

    test('who stands above the owner may, too, also what they have set before', async () => {
      for (const stateKey of [bob.userId, bob.userId + suffix]) {
        await set(alice, stateKey)
        await set(alice, stateKey)
      }
    })

    test('others of the same level may not, nor may the owner of a longer name', async () => {
      const longer = `${charlie.userId}.example_x`
      for (const stateKey of [charlie.userId, charlie.userId + suffix, longer]) {
        expect(await refusal(set(bob, stateKey))).toMatchObject({
          status: 403,
          errcode: 'M_FORBIDDEN',
        })
      }
      expect((await refusal(set(charlie, longer))).status).toBe(403)
    })

    test('what does not begin with a user ID is malformed', async () => {
      const crooked = `${alice.userId}@${suffix.slice(1)}`
      const tooLong = `${alice.userId}_${'x'.repeat(256)}`
      for (const stateKey of ['@oops', crooked, tooLong]) {
        expect(await refusal(set(alice, stateKey))).toMatchObject({
          status: 400,
          errcode: 'M_BAD_JSON',
        })
      }
    })

    test('a suffix may have 255 bytes, and so may a key without an owner', async () => {
      await set(bob, `${bob.userId}_${'x'.repeat(255)}`)
      await set(bob, 'x'.repeat(255))
      expect((await refusal(set(bob, 'x'.repeat(256)))).errcode).toBe('M_TOO_LARGE')
    })
  },
)

test('the versions of MSC3757 are told to be unstable', async () => {
  const { capabilities } = await alice.ok('GET', '/_matrix/client/v3/capabilities')
  const { available } = capabilities['m.room_versions']
  expect(available['org.matrix.msc3757.10']).toBe('unstable')
  expect(available['10']).toBe('stable')
})
