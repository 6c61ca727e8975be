/**
 * What real clients send, replayed byte for byte over a connection of its own, and held against
 * what each insists on. The conversations are in `recorded/`, one file a client.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { Client } from '../support/client.ts'
import { RawConnection } from '../support/raw-http.ts'
import { bytesOf, expectation, parseRecording } from '../support/recorded.ts'
import { startServer, type TestServer } from '../support/server.ts'

const folder = fileURLToPath(new URL('recorded', import.meta.url))
const recordings = readdirSync(folder)

let server: TestServer
let bob: Client
beforeAll(async () => {
  server = await startServer()
  bob = await server.user('bob')
})
afterAll(() => server.stop())

async function inARoom(): Promise<Map<string, string>> {
  const alice = await server.user('alice')
  const room = await alice.createRoom({ preset: 'public_chat' })
  await bob.join(room)
  return new Map([
    ['host', new URL(server.baseUrl).host],
    ['token', String(alice.token)],
    ['other', String(bob.token)],
    ['otherid', bob.userId],
    ['device', alice.deviceId],
    ['roomid', room],
    // In paths, as matrix-js-sdk encodes them.
    ['room', encodeURIComponent(room)],
    ['key', encodeURIComponent(`_${alice.userId}_${alice.deviceId}_m.call`)],
  ])
}

test('every client of the reference is there', () => {
  const names = ['complement', 'dart', 'lk-jwt-service', 'matrix-js-sdk', 'matrix-rust-sdk', 'ruma']
  expect(recordings.sort()).toEqual([...names, 'synapse-era'].map(name => `${name}.http`))
})

describe('what a client sends is answered as it insists on', () => {
  test.each(recordings)('%s', async file => {
    const known = await inARoom()
    const connection = new RawConnection(server.baseUrl)
    try {
      for (const step of parseRecording(readFileSync(`${folder}/${file}`, 'utf8'))) {
        if ('laterMs' in step) {
          await server.advance(step.laterMs)
          continue
        }
        const { status, headers, body } = await connection.exchange(bytesOf(step.request, known))
        expect([step.name, status, body]).toEqual([
          step.name,
          step.status,
          expectation(step.answer, body, known),
        ])
        // matrix-js-sdk reads no errcode from anything else, and a browser not without the other.
        expect(headers['content-type']).toMatch(/^application\/json/)
        expect(headers['access-control-allow-origin']).toBe('*')
      }
    } finally {
      connection.close()
    }
  })
})
