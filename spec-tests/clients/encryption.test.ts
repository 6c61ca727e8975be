/**
 * Unmodified matrix-js-sdk 43 clients with their Rust crypto, in a process of their own, against
 * this server. Runs the program in `dist/`, so build before.
 */
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { Given, Report } from '../../scripts/encryption/room.ts'
import type { Client } from '../support/client.ts'
import { startServer, type TestServer } from '../support/server.ts'

const program = fileURLToPath(new URL('../../dist/scripts/encryption/room.js', import.meta.url))

let server: TestServer
beforeAll(async () => {
  server = await startServer({ realTime: true })
})
afterAll(() => server.stop())

const loginOf = ({ userId, deviceId, token = '' }: Client) => ({
  userId,
  deviceId,
  accessToken: token,
})

test('two users talk and call in an encrypted room, and a further device is given all it needs to follow', async () => {
  const alice = await server.user('alice')
  const bob = await server.user('bob')
  const laptop = alice.sibling()
  await laptop.login()
  const given: Given = {
    baseUrl: server.baseUrl,
    password: bob.password,
    phone: loginOf(alice),
    laptop: loginOf(laptop),
    bob: loginOf(bob),
  }
  const { stdout } = await promisify(execFile)(process.execPath, [program], {
    // The environment, because `ps` shows arguments to everybody and this holds tokens.
    env: { ...process.env, HOURGLASS_ENCRYPTED_ROOM: JSON.stringify(given) },
    timeout: 120_000,
  })
  const report = JSON.parse(stdout) as Report
  expect(report).toEqual({
    readByBob: 'a secret',
    isCrossSigningReady: true,
    isSecretStorageReady: true,
    replacingKeys: [401, 200],
    backupVersion: '1',
    sessionsInBackup: expect.any(Number),
    sessionsRestored: report.sessionsInBackup,
    readByLaptop: 'a secret',
    isLaptopTrusted: true,
    roomKeysRehydrated: 1,
    haveCallKeys: true,
    sentToDevicesInCall: ['m.room.encrypted'],
    isLeaveScheduled: true,
    stillInCall: [bob.userId],
  })
  expect(report.sessionsInBackup).toBeGreaterThan(0)
}, 150_000)
