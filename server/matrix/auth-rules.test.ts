import type { JsonObject } from '../lib/json.ts'
import { isAllowed } from './auth-rules.ts'
import type { AuthEvent } from './event.ts'
import {
  alice,
  allVersions,
  bob,
  carol,
  create,
  dora,
  joined,
  joinRule,
  member,
  message,
  powerLevels,
  roomIdIn,
  stateEvent,
  stateOf,
  version,
} from './test-events.ts'

/** `true` for allowed, otherwise the reason. */
function verdict(id: string, event: AuthEvent, state: AuthEvent[]) {
  const placed = event.type === 'm.room.create' ? event : { room_id: roomIdIn(id), ...event }
  const answer = isAllowed(placed, stateOf(state), version(id))
  return answer.allowed || answer.reason
}

type Case = [
  rule: string,
  id: string,
  event: AuthEvent,
  state: AuthEvent[],
  expected: true | RegExp,
]

function check(cases: Case[]) {
  test.each(cases)('%s (v%s)', (_rule, id, event, state, expected) => {
    const answer = verdict(id, event, state)
    if (expected === true) expect(answer).toBe(true)
    else expect(answer).toEqual(expect.stringMatching(expected))
  })
}

/** Alice's room with alice and bob in it. */
const room = (id: string, ...more: AuthEvent[]) => [create(id), ...joined(alice, bob), ...more]

describe('Authorization rules: m.room.create', () => {
  const without = (key: string, event: AuthEvent): AuthEvent => {
    const { [key]: _left, ...content } = event.content
    return { ...event, content }
  }
  const elsewhere = { ...create('11'), room_id: '!room:elsewhere.test' }
  const more = (additional_creators: JsonObject[string]) => ({ additional_creators })

  test.each(allVersions)('v%s: a plain one is allowed', id => {
    expect(verdict(id, create(id), [])).toBe(true)
  })
  // biome-ignore format: a table, one case a line
  check([
    ['1.1: not the first event → reject', '11', create('11'), room('11'), /already/],
    ['1.1: not even with another state_key', '11', { ...create('11'), state_key: 'x' }, room('11'), /already/],
    ['1.2: room_id of another domain → reject', '11', elsewhere, [], /server/],
    ['1.2: no room_id → reject', '11', { ...create('11'), room_id: undefined }, [], /server/],
    ['1.2: a room_id → reject', '12', { ...create('12'), room_id: roomIdIn('12') }, [], /room_id/],
    ['1.3: no room_version is version 1', '1', without('room_version', create('1')), [], true],
    ['1.3: unknown room_version → reject', '11', create('11', { room_version: '99' }), [], /version/],
    ['1.3: a number is no version', '11', create('11', { room_version: 11 }), [], /version/],
    ['1.4: no creator → reject', '1', without('creator', create('1')), [], /creator/],
    ['1.4: no creator → reject', '10', without('creator', create('10')), [], /creator/],
    ['1.4: no creator wanted', '11', without('creator', create('11')), [], true],
    ['1.4: additional_creators are users', '12', create('12', more([bob, dora])), [], true],
    ['1.4: an empty list is one', '12', create('12', more([])), [], true],
    ['1.4: not a list → reject', '12', create('12', more(bob)), [], /additional_creators/],
    ['1.4: null is not a list', '12', create('12', more(null)), [], /additional_creators/],
    ['1.4: not strings → reject', '12', create('12', more([bob, 1])), [], /additional_creators/],
    ['1.4: not user ids → reject', '12', create('12', more(['bob'])), [], /additional_creators/],
    ['1.4: not looked at', '11', create('11', more('bob')), [], true],
  ])
})

describe('Authorization rules: the room', () => {
  const local = [create('11', { 'm.federate': false }), ...joined(alice, bob, dora)]
  const open = [create('11', { 'm.federate': true }), ...joined(alice, bob, dora)]
  const lost = { ...message(alice), room_id: '!another' }
  check([
    ['2.4: no create event → reject', '11', message(alice), joined(alice), /create event/],
    ['2.4: no create event → reject', '12', message(alice), joined(alice), /create event/],
    ['2: the room of that create event', '12', message(alice), room('12'), true],
    ['2: another room → reject', '12', lost, room('12'), /not the room/],
    ['2: no room → reject', '12', { ...lost, room_id: undefined }, room('12'), /not the room/],
    ['2: not a rule yet', '11', lost, room('11'), true],
    ['3: m.federate false, own server', '11', message(bob), local, true],
    ['3: m.federate false, other server → reject', '11', message(dora), local, /hourglass\.test/],
    ['3: also for a join', '11', member(dora, 'join'), [...local, joinRule('public')], /only for/],
    ['3: m.federate true', '11', message(dora), open, true],
    ['3: m.federate absent', '11', message(dora), [create('11'), ...joined(dora)], true],
  ])
})

describe('Authorization rules: m.room.aliases', () => {
  const aliases = (stateKey?: string): AuthEvent => ({
    ...stateEvent(carol, 'm.room.aliases', { aliases: [] }),
    state_key: stateKey,
  })
  // biome-ignore format: a table, one case a line
  check([
    ['4.3: own domain → allow, even from outside', '1', aliases('hourglass.test'), room('1'), true],
    ['4.3: own domain → allow, even from outside', '5', aliases('hourglass.test'), room('5'), true],
    ['4.1: no state_key → reject', '5', aliases(), room('5'), /state_key/],
    ['4.2: other domain → reject', '5', aliases('elsewhere.test'), room('5'), /elsewhere\.test/],
    ['no special rule any more: carol is not in the room', '6', aliases('hourglass.test'), room('6'), /not in the room/],
  ])
})

describe('Authorization rules: membership and power', () => {
  const invite = stateEvent(bob, 'm.room.third_party_invite', {}, 'tok')
  const quiet = powerLevels({ invite: 10, users: { [alice]: 100 } })
  const strict = powerLevels({
    users: { [alice]: 100, [bob]: 49 },
    events: { 'm.room.message': 50 },
  })
  const creators = [create('12', { additional_creators: [bob] }), ...joined(alice, bob, carol)]
  const callMember = (sender: string, stateKey: string) =>
    stateEvent(sender, 'm.call', {}, stateKey)
  const free = powerLevels({ state_default: 0 })
  // biome-ignore format: a table, one case a line
  check([
    ['5: joined → go on', '11', message(bob), room('11'), true],
    ['5: never joined → reject', '11', message(carol), room('11'), /not in the room/],
    ['5: left → reject', '11', message(bob), room('11', member(bob, 'leave')), /not in the room/],
    ['5: invited → reject', '11', message(carol), room('11', member(carol, 'invite', bob)), /not in the room/],
    ['6.1: at the invite level → allow, whatever state_default', '11', invite, room('11'), true],
    ['6.1: below the invite level → reject', '11', invite, room('11', quiet), /10 is needed/],
    ['6.1: at the invite level', '11', { ...invite, sender: alice }, room('11', quiet), true],
    ['7: state needs 50 → reject', '11', stateEvent(bob, 'm.room.topic'), room('11'), /50 is needed/],
    ['7: the creator has 100', '11', stateEvent(alice, 'm.room.topic'), room('11'), true],
    ['7: an entry in events → reject', '11', message(bob), room('11', strict), /50 is needed/],
    ['7: reached', '11', message(alice), room('11', strict), true],
    ['7: the creator has no privilege', '11', stateEvent(alice, 'm.room.topic'), room('11', powerLevels({})), /50 is needed/],
    ['7: a creator is above all', '12', stateEvent(alice, 'm.room.topic'), room('12', powerLevels({ state_default: 1e15 })), true],
    ['7: an additional creator, too', '12', stateEvent(bob, 'm.room.topic'), creators, true],
    ['7: nobody else', '12', stateEvent(carol, 'm.room.topic'), creators, /50 is needed/],
    ['8: a state_key of one’s own', '11', callMember(bob, bob), room('11', free), true],
    ['8: somebody else’s → reject', '11', callMember(bob, alice), room('11', free), /may not set/],
    ['8: even with all the power → reject', '12', callMember(alice, bob), room('12'), /may not set/],
    ['8: only what starts with @', '11', callMember(bob, `_${alice}`), room('11', free), true],
    ['10: otherwise → allow', '11', stateEvent(alice, 'org.example', {}, 'key'), room('11'), true],
  ])
})

describe('Authorization rules: m.room.redaction', () => {
  const redaction = (redacts: string | undefined, event_id?: string): AuthEvent => ({
    ...message(bob, {}),
    type: 'm.room.redaction',
    redacts,
    event_id,
  })
  const moderator = powerLevels({ users: { [bob]: 50 } })
  const own = redaction('$1:hourglass.test', '$2:hourglass.test')
  const foreign = redaction('$1:elsewhere.test', '$2:hourglass.test')
  // biome-ignore format: a table, one case a line
  check([
    ['11.1: at the redact level → allow', '1', foreign, room('1', moderator), true],
    ['11.2: event ids of one domain → allow', '1', own, room('1'), true],
    ['11.2: event ids of one domain → allow', '2', own, room('2'), true],
    ['11.2: not numbered yet: the sender’s domain', '1', redaction('$1:hourglass.test'), room('1'), true],
    ['11.3: otherwise → reject', '1', foreign, room('1'), /50 is needed/],
    ['11.3: otherwise → reject', '2', foreign, room('2'), /50 is needed/],
    ['11.3: nothing is redacted → reject', '1', redaction(undefined, '$2:hourglass.test'), room('1'), /50 is needed/],
    ['11.3: two ids without a domain share none', '1', redaction('$1', '$2'), room('1'), /50 is needed/],
    ['no rule of its own any more', '3', foreign, room('3'), true],
    ['7 still applies', '3', foreign, room('3', powerLevels({ events: { 'm.room.redaction': 60 } })), /60 is needed/],
  ])
})
