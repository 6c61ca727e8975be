/**
 * What is stored, once it is signed, is what other servers would accept: hashes by node:crypto,
 * signatures by tweetnacl, and the selection of auth events, said here a second time.
 */
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createRequire } from 'node:module'
import { Worker } from 'node:worker_threads'
import { selectTimeline } from '../../db/events.ts'
import { lockRoom, selectRoom } from '../../db/rooms.ts'
import type { EventRow } from '../../db/schema.ts'
import { transaction } from '../../db/transaction.ts'
import { createUser } from '../accounts/users.ts'
import type { RunningContext } from '../context.ts'
import type { JsonObject } from '../lib/json.ts'
import type { EventReference, Pdu, SignedPdu } from '../matrix/event.ts'
import { redact } from '../matrix/redact.ts'
import { allVersions, version as versionNamed } from '../matrix/test-events.ts'
import type { Requester } from '../requester.ts'
import { startContext } from '../test-context.ts'
import { appendEvents } from './append-event.ts'
import type { EventDraft } from './build-event.ts'
import { type CreateRoomRequest, createRoom } from './create-room.ts'
import { joinRoom, knockOnRoom, leaveRoom, moderate } from './membership.ts'
import { redactEvent, sendMessage, sendState } from './send-event.ts'
import { signedPdu, versionOf } from './stored-event.ts'
import { requesterNamed } from './test-requester.ts'

let ctx: RunningContext
let end: () => Promise<void>
beforeAll(async () => {
  ;({ ctx, end } = await startContext())
})
afterAll(() => end())

const alice = requesterNamed('alice')
const bob = requesterNamed('bob')
const charlie = requesterNamed('charlie')
const dora = requesterNamed('dora')

const request: CreateRoomRequest = {
  visibility: 'private',
  preset: 'public_chat',
  roomVersion: undefined,
  creationContent: {},
  initialState: [],
  powerLevelContentOverride: {},
  name: undefined,
  topic: undefined,
  roomAliasName: undefined,
  invite: [],
  isDirect: false,
}
const newRoom = (roomVersion: string, extra: Partial<CreateRoomRequest> = {}): Promise<string> =>
  createRoom(ctx, alice, { ...request, roomVersion, ...extra })

let transactions = 0
function say(requester: Requester, roomId: string, content: JsonObject): Promise<EventRow> {
  transactions += 1
  const message = { roomId, type: 'm.room.message', content, transactionId: `${transactions}` }
  return transaction(ctx.db, tx => sendMessage(ctx, tx, requester, message))
}

function redactIn(roomId: string, eventId: string): Promise<EventRow> {
  const redaction = { roomId, eventId, content: { reason: 'oops' }, transactionId: eventId }
  return transaction(ctx.db, tx => redactEvent(ctx, tx, alice, redaction))
}

const setJoinRule = (roomId: string, content: JsonObject) =>
  sendState(ctx, alice, { roomId, type: 'm.room.join_rules', stateKey: '', content })

/** A life of a room that has every kind of event which the version allows. */
async function liveIn(version: string): Promise<string> {
  const roomId = await newRoom(version, {
    roomAliasName: `life-in-v${version}`,
    name: 'Life',
    topic: 'Zeit läuft ⏳',
    invite: [bob.userId],
    creationContent: { 'm.federate': false, type: 'org.example.life' },
  })
  const move = (target: string) => ({ roomId, target, reason: 'because' })
  await joinRoom(ctx, bob, roomId, { 'org.example.extra': { b: [1, null, true], a: '"\\\u0001' } })
  const said = await say(bob, roomId, { msgtype: 'm.text', body: 'hello\n\u{1F600}' })
  await redactIn(roomId, said.event_id)
  await redactIn(roomId, (await say(alice, roomId, { body: 'mine' })).event_id)
  await sendState(ctx, alice, {
    roomId,
    type: 'm.room.power_levels',
    stateKey: '',
    content: { users: versionNamed(version).privilegedCreators ? {} : { [alice.userId]: 100 } },
  })
  await sendState(ctx, bob, {
    roomId,
    type: 'm.room.member',
    stateKey: bob.userId,
    content: { membership: 'join', displayname: 'Bob' },
  })
  if (versionNamed(version).allowsKnocking) {
    await setJoinRule(roomId, { join_rule: 'knock' })
    await knockOnRoom(ctx, charlie, roomId, 'please')
    await moderate(ctx, alice, 'invite', move(charlie.userId))
    await joinRoom(ctx, charlie, roomId, {})
  }
  if (versionNamed(version).allowsRestrictedJoin) {
    const allowed = await newRoom(version)
    await joinRoom(ctx, dora, allowed, {})
    const allow = [{ type: 'm.room_membership', room_id: allowed }]
    await setJoinRule(roomId, { join_rule: 'restricted', allow })
    await joinRoom(ctx, dora, roomId, {})
    await leaveRoom(ctx, dora, roomId)
  }
  await moderate(ctx, alice, 'kick', move(bob.userId))
  await moderate(ctx, alice, 'ban', move(bob.userId))
  return roomId
}

async function eventsOf(roomId: string): Promise<{ row: EventRow; pdu: SignedPdu }[]> {
  const everything = { from: 0, upTo: ctx.positions.latest() }
  const rows = await selectTimeline(ctx.db, {
    roomId,
    ranges: [everything],
    after: everything.from,
    upTo: everything.upTo,
    direction: 'forwards',
    limit: 100,
  })
  const room = await selectRoom(ctx.db, roomId)
  if (!room) throw new Error('no room')
  return rows.map(row => ({ row, pdu: signedPdu(ctx, row, versionOf(room)) }))
}

/** Canonical JSON of what these rooms hold: ASCII keys and whole numbers. */
function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  const members = Object.entries(value).sort(([one], [other]) => (one < other ? -1 : 1))
  return `{${members.map(([key, member]) => `${JSON.stringify(key)}:${canonical(member)}`).join(',')}}`
}

const sha256 = (text: string, encoding: 'base64' | 'base64url') =>
  createHash('sha256').update(text).digest(encoding).replaceAll('=', '')

/** The bytes that signature and reference hash cover. `redact` has published events for oracle. */
function coveredBytes(pdu: Pdu, version: string): string {
  const {
    signatures: _1,
    unsigned: _2,
    ...covered
  } = redact(pdu as SignedPdu, versionNamed(version))
  return canonical(covered)
}

interface Signed {
  message: Uint8Array
  signature: Uint8Array
  publicKey: Uint8Array
}

/** In a thread of its own, because in jest's sandbox tweetnacl is thirty times slower. */
async function verifyByTweetnacl(signed: Signed[]): Promise<boolean[]> {
  const program = `
    const { parentPort, workerData } = require('node:worker_threads')
    const { sign } = require(workerData.tweetnacl)
    parentPort.postMessage(workerData.signed.map(({ message, signature, publicKey }) =>
      sign.detached.verify(message, signature, publicKey)))`
  const tweetnacl = createRequire(import.meta.url).resolve('tweetnacl')
  const worker = new Worker(program, { eval: true, workerData: { tweetnacl, signed } })
  const [verdicts] = await once(worker, 'message')
  await worker.terminate()
  return verdicts
}

/** Server-Server API "Auth events selection", as keys of the state. */
function keysToCite(pdu: Pdu, version: number): string[] {
  if (pdu.type === 'm.room.create') return []
  const keys = new Set(['m.room.power_levels ', `m.room.member ${pdu.sender}`])
  if (version < 12) keys.add('m.room.create ')
  if (pdu.type === 'm.room.member') {
    const { membership, join_authorised_via_users_server: voucher } = pdu.content
    keys.add(`m.room.member ${pdu.state_key}`)
    if (['join', 'invite', 'knock'].includes(String(membership))) keys.add('m.room.join_rules ')
    if (voucher !== undefined && version >= 8) keys.add(`m.room.member ${voucher}`)
  }
  return [...keys]
}

describe.each(allVersions)('Every event stored in a room of version %s', version => {
  // An unstable version ends in the number of the one that it is built on.
  const number = Number(/\d+$/.exec(version)?.[0])
  let roomId: string
  let events: { row: EventRow; pdu: SignedPdu }[]
  beforeAll(async () => {
    roomId = await liveIn(version)
    events = await eventsOf(roomId)
  })

  test('is there: the room has had its whole life', () => {
    const memberships = events
      .filter(({ pdu }) => pdu.type === 'm.room.member')
      .map(({ pdu }) => `${pdu.state_key?.slice(1, -4)} ${pdu.content.membership}`)
    expect(memberships).toEqual([
      'alice join',
      'bob invite',
      'bob join',
      'bob join',
      ...(number >= 7 ? ['charlie knock', 'charlie invite', 'charlie join'] : []),
      ...(number >= 8 ? ['dora join', 'dora leave'] : []),
      'bob leave',
      'bob ban',
    ])
    expect(events.filter(({ row }) => row.redacted_by !== null)).toHaveLength(2)
  })

  test('has the right content hash, save those whose content was redacted', () => {
    for (const { row, pdu } of events) {
      const { hashes, signatures: _1, unsigned: _2, ...hashed } = pdu
      const hash = sha256(canonical(hashed), 'base64')
      if (row.redacted_by === null) expect(hashes).toEqual({ sha256: hash })
      else expect(hashes.sha256).not.toBe(hash)
    }
  })

  test('has its reference hash for an id, from version 3 on', () => {
    for (const { row, pdu } of events) {
      if (number <= 2) {
        expect(row.event_id).toMatch(/^\$[A-Za-z]{18}:hs1$/)
        expect(pdu.event_id).toBe(row.event_id)
        expect(row.reference_hash).toBe(sha256(coveredBytes(pdu, version), 'base64'))
      } else {
        const encoding = number === 3 ? 'base64' : 'base64url'
        expect(row.event_id).toBe(`$${sha256(coveredBytes(pdu, version), encoding)}`)
        expect(pdu).not.toHaveProperty('event_id')
      }
    }
  })

  test('is signed by this server alone', async () => {
    const publicKey = Buffer.from(ctx.signingKey.publicKey, 'base64')
    const signed = events.map(({ pdu }) => {
      const encoded = pdu.signatures.hs1?.[ctx.signingKey.keyId] ?? ''
      expect(pdu.signatures).toEqual({ hs1: { [ctx.signingKey.keyId]: encoded } })
      const message = Buffer.from(coveredBytes(pdu, version))
      return { message, signature: Buffer.from(encoded, 'base64'), publicKey }
    })
    expect(await verifyByTweetnacl(signed)).toEqual(signed.map(() => true))
    const exchanged = signed.slice(0, 2).map((one, index) => ({
      ...one,
      signature: signed[1 - index]?.signature ?? one.signature,
    }))
    expect(await verifyByTweetnacl(exchanged)).toEqual([false, false])
  })

  test('belongs to its room, which in version 12 is named after the first', () => {
    for (const { pdu } of events) {
      const isNamesake = number >= 12 && pdu.type === 'm.room.create'
      expect(pdu.room_id).toBe(isNamesake ? undefined : roomId)
    }
    if (number >= 12) expect(roomId).toBe(`!${events[0]?.row.event_id.slice(1)}`)
  })

  /** A reference as that version writes it, to an event that came before. */
  function expectReferences(references: EventReference[], eventIds: string[], upTo: number) {
    const earlier = new Map(events.slice(0, upTo).map(({ row, pdu }) => [row.event_id, pdu]))
    expect(new Set(references.map(one => (typeof one === 'string' ? one : one[0])))).toEqual(
      new Set(eventIds),
    )
    expect(references).toHaveLength(eventIds.length)
    for (const reference of references) {
      expect(typeof reference === 'string').toBe(number >= 3)
      const cited = earlier.get(typeof reference === 'string' ? reference : reference[0])
      if (!cited) throw new Error('an event cites one that was not there yet')
      if (typeof reference === 'string') continue
      expect(reference[1]).toEqual({ sha256: sha256(coveredBytes(cited, version), 'base64') })
    }
  }

  test('cites the auth events that the selection rules name, of the state before it', () => {
    const state = new Map<string, string>()
    for (const [index, { row, pdu }] of events.entries()) {
      const cited = keysToCite(pdu, number).flatMap(key => state.get(key) ?? [])
      expectReferences(pdu.auth_events, cited, index)
      if (pdu.state_key !== undefined) state.set(`${pdu.type} ${pdu.state_key}`, row.event_id)
    }
  })

  test('follows the one before it, and is one deeper', () => {
    for (const [index, { pdu }] of events.entries()) {
      const previous = events[index - 1]
      expectReferences(pdu.prev_events, previous ? [previous.row.event_id] : [], index)
      expect(pdu.depth).toBe(index + 1)
    }
  })

  test('is at most 65536 bytes of canonical JSON', () => {
    for (const { pdu } of events) expect(Buffer.byteLength(canonical(pdu))).toBeLessThan(65_537)
  })
})

describe('What is refused', () => {
  test('leaves no trace: neither an event nor a gap', async () => {
    const roomId = await newRoom('11')
    const before = await eventsOf(roomId)
    await expect(say(bob, roomId, { body: 'no' })).rejects.toMatchObject({ status: 403 })
    await expect(say(alice, roomId, { half: 0.5 })).rejects.toMatchObject({ status: 400 })
    await expect(redactIn(roomId, '$nothing')).rejects.toMatchObject({ status: 404 })
    expect(await eventsOf(roomId)).toEqual(before)
    const { event_id } = await say(alice, roomId, { body: 'yes' })
    const last = (await eventsOf(roomId)).at(-1)
    expect(last?.row.event_id).toBe(event_id)
    expect(last?.pdu).toMatchObject({
      depth: before.length + 1,
      prev_events: [before.at(-1)?.row.event_id],
    })
  })

  test.each(['1', '5', '11', '12'])(
    'v%s: the byte after the 65536th, counted with hashes and signatures',
    async version => {
      const roomId = await newRoom(version)
      const bytesOf = (row: EventRow) =>
        Buffer.byteLength(canonical(signedPdu(ctx, row, versionNamed(version))))
      const room = 65_536 - bytesOf(await say(alice, roomId, { body: '日\u2028"' }))
      const body = (bytes: number) => `日\u2028"${'x'.repeat(bytes)}`
      expect(bytesOf(await say(alice, roomId, { body: body(room) }))).toBe(65_536)
      await expect(say(alice, roomId, { body: body(room + 1) })).rejects.toMatchObject({
        status: 413,
        errcode: 'M_TOO_LARGE',
      })
    },
  )
})

describe('Events that are appended together', () => {
  const guest = { ...requesterNamed('guest'), isGuest: true }
  beforeAll(() =>
    transaction(ctx.db, tx =>
      createUser(ctx, tx, { userId: guest.userId, passwordHash: null, isGuest: true }),
    ),
  )

  async function roomWithGuest() {
    const roomId = await newRoom('11')
    const content = { guest_access: 'can_join' }
    const access = { roomId, type: 'm.room.guest_access', stateKey: '', content }
    const { event_id } = await sendState(ctx, alice, access)
    await joinRoom(ctx, guest, roomId, {})
    return { roomId, guestAccess: event_id }
  }

  const message = (sender: Requester, n: number): EventDraft => ({
    type: 'm.room.message',
    sender: sender.userId,
    content: { n },
  })

  async function append(roomId: string, drafts: EventDraft[]) {
    return transaction(ctx.db, async tx => {
      const room = await lockRoom(tx, roomId)
      if (!room) throw new Error('no room')
      return appendEvents(
        ctx,
        tx,
        drafts.map(draft => ({ room, draft })),
      )
    })
  }

  test.each([
    [
      'a change of guest access',
      () => ({ type: 'm.room.guest_access', stateKey: '', content: { guest_access: 'forbidden' } }),
    ],
    [
      'a redaction of guest access',
      (redacts: string) => ({ type: 'm.room.redaction', redacts, content: {} }),
    ],
  ])('%s sends guests away before what comes after it is judged', async (_, change) => {
    const { roomId, guestAccess } = await roomWithGuest()
    const outcomes = await append(roomId, [
      message(guest, 1),
      { sender: alice.userId, ...change(guestAccess) },
      message(guest, 2),
      message(alice, 3),
    ])
    expect(outcomes).toMatchObject([{}, {}, { status: 403 }, {}])
    const last = (await eventsOf(roomId)).slice(-4).map(({ pdu }) => pdu)
    expect(last.map(({ content }) => content.n ?? content.membership)).toEqual([
      1,
      undefined,
      'leave',
      3,
    ])
    last.slice(1).forEach(({ depth }, i) => {
      expect(depth).toBe((last[i]?.depth ?? 0) + 1)
    })
  })

  test('each is judged by what those before it leave, and follows the last that was accepted', async () => {
    const roomId = await newRoom('11')
    await joinRoom(ctx, bob, roomId, {})
    const ban = {
      type: 'm.room.member',
      stateKey: bob.userId,
      sender: alice.userId,
      content: { membership: 'ban' },
    }
    const outcomes = await append(roomId, [
      message(bob, 1),
      ban,
      message(bob, 2),
      message(alice, 3),
    ])
    expect(outcomes).toMatchObject([{}, {}, { status: 403 }, {}])
    const events = await eventsOf(roomId)
    const [before, last] = events.slice(-2)
    expect(last?.pdu).toMatchObject({ content: { n: 3 }, prev_events: [before?.row.event_id] })
    expect(before?.pdu.content).toMatchObject({ membership: 'ban' })
  })
})

describe('The state that is remembered', () => {
  const levels = (level: number) => ({
    type: 'm.room.power_levels',
    stateKey: '',
    content: { users: { [alice.userId]: 100 }, events: { 'org.example': level } },
  })
  const powerLevelsCitedBy = async (roomId: string): Promise<string | undefined> => {
    const ids = (await eventsOf(roomId))
      .filter(({ row }) => row.type === 'm.room.power_levels')
      .map(({ row }) => row.event_id)
    const { pdu } = await say(alice, roomId, { body: 'which?' })
    const cited = (JSON.parse(pdu) as Pdu).auth_events
    return ids.find(id => cited.includes(id))
  }

  test('forgets what is undone', async () => {
    const roomId = await newRoom('11')
    const before = await powerLevelsCitedBy(roomId)
    const undone = transaction(ctx.db, async tx => {
      const room = await lockRoom(tx, roomId)
      if (!room) throw new Error('no room')
      const draft = { ...levels(50), sender: alice.userId }
      const outcomes = await appendEvents(ctx, tx, [{ room, draft }])
      expect(outcomes).toMatchObject([{ type: 'm.room.power_levels' }])
      throw new Error('undone')
    })
    await expect(undone).rejects.toThrow('undone')
    expect(await powerLevelsCitedBy(roomId)).toBe(before)
  })

  test('is what was set last', async () => {
    const roomId = await newRoom('11')
    await joinRoom(ctx, bob, roomId, {})
    const example = { roomId, type: 'org.example', stateKey: '', content: {} }
    await expect(sendState(ctx, bob, example)).rejects.toMatchObject({ status: 403 })
    const set = await sendState(ctx, alice, { roomId, ...levels(0) })
    expect(await powerLevelsCitedBy(roomId)).toBe(set.event_id)
    await sendState(ctx, bob, example)
  })

  test('is what a redaction has left of it, also of one that is itself state', async () => {
    const roomId = await newRoom('11', { preset: 'public_chat' })
    const access = { roomId, type: 'm.room.guest_access', stateKey: '' }
    const open = { ...access, content: { guest_access: 'can_join' } }
    const { event_id: redacts } = await sendState(ctx, alice, open)
    const guest = requesterNamed('passer-by')
    await transaction(ctx.db, tx =>
      createUser(ctx, tx, { userId: guest.userId, passwordHash: null, isGuest: true }),
    )
    await joinRoom(ctx, guest, roomId, {})
    const redaction = { roomId, type: 'm.room.redaction', stateKey: '', content: { redacts } }
    await sendState(ctx, alice, redaction)
    await expect(joinRoom(ctx, guest, roomId, {})).rejects.toMatchObject({ status: 403 })
  })
})

test('what is kept in memory is what is stored, also when an event of it is redacted', async () => {
  const roomId = await newRoom('11')
  const stored = async () => (await eventsOf(roomId)).map(({ row }) => row)
  const first = (await stored())[0]?.position ?? 0
  await joinRoom(ctx, bob, roomId, {})
  const related = { rel_type: 'm.thread', event_id: (await stored())[0]?.event_id ?? '' }
  const said = await say(bob, roomId, { body: '\u0000😀', url: 'mxc://a/b' })
  await say(bob, roomId, { body: 'in a thread', 'm.relates_to': related })
  const kept = ctx.latestEvents.between(roomId, first - 1, ctx.positions.settled())
  expect(kept).toEqual(await stored())
  const redaction = await redactIn(roomId, said.event_id)
  expect(ctx.latestEvents.between(roomId, said.position - 1, redaction.position)).toBeUndefined()
  const after = await say(bob, roomId, { body: 'and on' })
  expect(ctx.latestEvents.between(roomId, redaction.position, after.position)).toEqual([after])
})
