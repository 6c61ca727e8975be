import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { covers } from '../matrix/app-service.ts'
import { readRegistrations } from './registration-file.ts'

const folder = mkdtempSync(join(tmpdir(), 'hourglass-'))
afterAll(() => rmSync(folder, { recursive: true }))

const registration = {
  id: 'irc',
  url: 'http://127.0.0.1:9000/',
  as_token: 'one',
  hs_token: 'two',
  sender_localpart: '_irc_bot',
  namespaces: { users: [{ exclusive: true, regex: '@_irc_' }] },
}
let files = 0
function fileOf(content: object): string {
  files += 1
  const file = join(folder, `${files}.yaml`)
  writeFileSync(file, JSON.stringify(content))
  return file
}
const read = (...contents: object[]) => readRegistrations(contents.map(fileOf), 'hs1')

test('a registration as a bridge writes it', () => {
  const synapsesOwn = { 'de.sorunome.msc2409.push_ephemeral': true, protocols: null }
  const [registered] = read({ ...registration, ...synapsesOwn })
  expect(registered).toMatchObject({
    asToken: 'one',
    service: {
      id: 'irc',
      url: 'http://127.0.0.1:9000',
      hsToken: 'two',
      senderUserId: '@_irc_bot:hs1',
      isRateLimited: true,
      aliases: [],
      rooms: [],
    },
  })
})

test('a pattern holds from the beginning of an id', () => {
  const users = read(registration)[0]?.service.users ?? []
  expect(covers(users, '@_irc_somebody:hs1')).toBe(true)
  expect(covers(users, '@not_irc_somebody:hs1')).toBe(false)
})

test.each([
  ['url', { url: undefined }],
  ['url', { url: 'ftp://127.0.0.1' }],
  ['as_token', { as_token: '' }],
  ['hs_token', { hs_token: 1 }],
  ['sender_localpart', { sender_localpart: 'A b' }],
  ['namespaces', { namespaces: undefined }],
  ['namespaces.users.0.regex', { namespaces: { users: [{ regex: '(' }] } }],
])('what is wrong is named: %s', (name, wrong) => {
  expect(() => read({ ...registration, ...wrong })).toThrow(`.yaml: ${name}: `)
})

test('two services do not share an id or a token', () => {
  expect(() => read(registration, { ...registration, as_token: 'x' })).toThrow('has the same id')
  expect(() => read(registration, { ...registration, id: 'x' })).toThrow('has the same as_token')
})
