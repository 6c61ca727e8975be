/** Tables of requests that are refused, each with the one answer that the specification gives. */
import type { Client } from './client.ts'
import { sendRaw } from './raw-http.ts'
import { complaintAbout, gist } from './refusals.ts'
import type { TestServer } from './server.ts'
import type { JsonObject } from './wire.ts'

export interface Refused {
  method: string
  /** After /_matrix/client; {room}, {alice} and {bob} stand for their ids. */
  path: string
  body?: JsonObject | undefined
  /** `400 M_BAD_JSON` */
  expected: string
}

export type Row = [path: string, body: JsonObject | undefined, expected: string]

export const cases = (method: string, rows: Row[]): Refused[] =>
  rows.map(([path, body, expected]) => ({ method, path, body, expected }))

export const badJson = '400 M_BAD_JSON'
export const notJson = '400 M_NOT_JSON'
export const missing = '400 M_MISSING_PARAM'
export const invalid = '400 M_INVALID_PARAM'
export const tooLarge = '413 M_TOO_LARGE'
export const forbidden = '403 M_FORBIDDEN'
export const notFound = '404 M_NOT_FOUND'

/** Who asks, and of what. */
export interface World {
  server: TestServer
  /** The one who asks. */
  alice: Client
  bob: Client
  /** Alice's; bob is not in it. */
  room: string
}

/** Exactly this answer, in the form that every refusal has; and nothing is written. */
export async function expectRefused({ server, alice, bob, room }: World, refused: Refused) {
  const { method, path, body, expected } = refused
  const filled = path
    .replaceAll('{room}', encodeURIComponent(room))
    .replaceAll('{alice}', encodeURIComponent(alice.userId))
    .replaceAll('{bob}', encodeURIComponent(bob.userId))
  const before = await server.rowCounts()
  const answer = await sendRaw(server.baseUrl, {
    method,
    path: filled.startsWith('/_') ? filled : `/_matrix/client${filled}`,
    body: body === undefined ? undefined : JSON.stringify(body),
    token: alice.token,
  })
  expect(gist(answer)).toBe(expected)
  expect(complaintAbout(answer)).toBeUndefined()
  expect(await server.rowCounts()).toEqual(before)
}

/** One test for each row. @param world asked for when the tests run */
export function describeRefusals(name: string, world: () => World, rows: Refused[]) {
  const named = rows.map((row): [string, Refused] => {
    const body = JSON.stringify(row.body)?.slice(0, 100) ?? ''
    return [`${row.method} ${row.path.slice(0, 100)} ${body}: ${row.expected}`, row]
  })
  describe(name, () => {
    test.each(named)('%s', (_, row) => expectRefused(world(), row))
  })
}
