import { createHmac } from 'node:crypto'
import { startServer } from '../support/server.ts'
import type { JsonObject } from '../support/wire.ts'

const path = '/_matrix/client/v3/voip/turnServer'
const uris = ['turn:turn.example.com:3478?transport=udp', 'turns:turn.example.com:443']

/** What a user is told by a server with these options, and when (Unix ms) and whom it told. */
async function asked(turn?: JsonObject) {
  const server = await startServer({ config: turn ? { turn } : {} })
  try {
    const alice = await server.user('alice')
    const body = await alice.ok('GET', path)
    return { body, userId: alice.userId, now: server.now() }
  } finally {
    await server.stop()
  }
}

describe('GET /_matrix/client/v3/voip/turnServer', () => {
  test('a password of the user, which coturn can check and which ends', async () => {
    const turn = { uris, shared_secret: 'between us', lifetime_ms: 3_600_000 }
    const { body, userId, now } = await asked(turn)
    const username = `${Math.floor(now / 1_000) + 3_600}:${userId}`
    const password = createHmac('sha1', 'between us').update(username).digest('base64')
    expect(body).toEqual({ uris, ttl: 3_600, username, password })
  })

  test('one password for everybody', async () => {
    const { body } = await asked({ uris, username: 'all', password: 'the same' })
    expect(body).toEqual({ uris, ttl: 86_400, username: 'all', password: 'the same' })
  })

  test('nothing where there is no TURN server: matrix-js-sdk goes on without', async () => {
    expect((await asked()).body).toEqual({})
  })

  test('the server does not start with addresses and nothing to say to them', async () => {
    for (const turn of [{ uris }, { uris, username: 'all' }]) {
      await expect(asked(turn)).rejects.toThrow('uris need shared_secret, or username and password')
    }
  })
})
