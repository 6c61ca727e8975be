/** The content of a stored event is what was put there, however it is got at. */
import type { RunningContext } from '../context.ts'
import type { JsonObject } from '../lib/json.ts'
import type { EventReference } from '../matrix/event.ts'
import { redact } from '../matrix/redact.ts'
import { allVersions, version as versionNamed } from '../matrix/test-events.ts'
import { startContext } from '../test-context.ts'
import { buildEvent, type EventDraft } from './build-event.ts'
import { contentOf } from './stored-event.ts'

let ctx: RunningContext
let end: () => Promise<void>
beforeAll(async () => {
  ;({ ctx, end } = await startContext())
})
afterAll(() => end())

const bareEnd = '},"origin_server_ts":1,"content":{'
const contents: [string, JsonObject][] = [
  ['nothing', {}],
  ['text', { body: 'Hello', nested: { list: [1, { a: null }] } }],
  ['members that are called like those around it', { content: { content: {} }, depth: 1 }],
  ['what looks like its end', { a: {}, origin_server_ts: 1, b: { origin_server_ts: {} } }],
  ['what looks like its end, in a text', { body: bareEnd, [bareEnd]: `\\"${bareEnd}\\` }],
]
const drafts: [string, Partial<EventDraft>][] = [
  ['a message', {}],
  ['state', { stateKey: `,"content":{${bareEnd}` }],
  ['a sticky event', { stickyDurationMs: 1_000 }],
  ['a redaction', { type: 'm.room.redaction', redacts: `$${bareEnd}` }],
  ['a type of its own', { type: `,"content":{${bareEnd}` }],
]

describe.each(allVersions)('room version %s', id => {
  const version = versionNamed(id)
  const hash = version.eventIdFormat === 'opaque' ? 'x'.repeat(43) : null
  const room = { room_id: '!r:hs1', last_event_id: '$last', last_event_hash: hash, last_depth: 7 }
  const cited: EventReference = hash === null ? '$cited' : ['$cited', { sha256: hash }]
  const build = (draft: Partial<EventDraft>, content: JsonObject) =>
    buildEvent(
      ctx,
      room,
      { type: 'm.test', sender: '@a:hs1', content, ...draft },
      { version, citedEvents: [cited], now: 1 },
    )

  test.each(contents)('%s', (_, content) => {
    for (const [what, draft] of drafts) {
      const { pdu, json } = build(draft, content)
      expect([what, contentOf({ pdu: json })]).toEqual([what, pdu.content])
      // The rest is not read: here it is broken off.
      expect(contentOf({ pdu: json.slice(0, -1) })).toEqual(pdu.content)
      const redacted = redact(pdu, version)
      const stored = { pdu: JSON.stringify(redacted) }
      expect([what, contentOf(stored)]).toEqual([what, redacted.content])
    }
  })
})
