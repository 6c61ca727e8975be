import type { JsonObject } from '../lib/json.ts'
import { type AuthOptions, isAllowed } from './auth-rules.ts'
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
  powerLevels,
  roomIdIn,
  stateEvent,
  stateOf,
  version,
} from './test-events.ts'

/** `true` for allowed, otherwise the reason. */
function verdict(id: string, event: AuthEvent, state: AuthEvent[], options?: AuthOptions) {
  const placed = { ...event, room_id: roomIdIn(id) }
  const answer = isAllowed(placed, stateOf(state), version(id), options)
  return answer.allowed || answer.reason
}

type Case = [
  rule: string,
  id: string,
  event: AuthEvent,
  state: AuthEvent[],
  expected: true | RegExp,
  options?: AuthOptions,
]

function check(cases: Case[]) {
  // Gathered, because jest takes a parameter without an argument for its `done` callback.
  test.each(cases)('%s (v%s)', (...[_rule, id, event, state, expected, options]: Case) => {
    const answer = verdict(id, event, state, options)
    if (expected === true) expect(answer).toBe(true)
    else expect(answer).toEqual(expect.stringMatching(expected))
  })
}

/** Alice's room with alice and bob in it; alice has 100, bob 0 unless said otherwise. */
const room = (id: string, ...more: AuthEvent[]) => [create(id), ...joined(alice, bob), ...more]
const levels = (users: JsonObject, more: JsonObject = {}) =>
  powerLevels({ users: { [alice]: 100, ...users }, ...more })

describe('m.room.member: the shape', () => {
  // biome-ignore format: a table, one case a line
  check([
    ['4.1: no state_key → reject', '11', { ...member(bob, 'join'), state_key: undefined }, room('11'), /must have/],
    ['4.1: no membership → reject', '11', { ...member(bob, 'join'), content: {} }, room('11'), /must have/],
    ['4.1: membership is no string → reject', '11', { ...member(bob, 'join'), content: { membership: 1 } }, room('11'), /must have/],
    ['4.8: unknown membership → reject', '11', member(bob, 'lurk'), room('11'), /no membership "lurk"/],
  ])
})

describe('m.room.member: join', () => {
  const first = { isFirstAfterCreate: true }
  const vacant = (id: string, content: JsonObject = {}) => [create(id, content)]
  const banned = (id: string) => room(id, joinRule('public'), member(carol, 'ban', alice))
  const join = member(carol, 'join')
  const invited = member(carol, 'invite', alice)

  test.each(allVersions)('4.3.1: the creator’s first join → allow (v%s)', id => {
    expect(verdict(id, member(alice, 'join'), vacant(id), first)).toBe(true)
    expect(verdict(id, member(alice, 'join'), vacant(id))).toMatch(/not invited/)
    expect(verdict(id, member(bob, 'join'), vacant(id), first)).toMatch(/not invited/)
  })
  // biome-ignore format: a table, one case a line
  check([
    ['4.3.1: the creator is the one in content', '10', join, vacant('10', { creator: carol }), true, first],
    ['4.3.1: the creator is the sender', '11', join, vacant('11', { creator: carol }), /not invited/, first],
    ['4.3.1: an additional creator is not first', '12', join, vacant('12', { additional_creators: [carol] }), /not invited/, first],
    ['4.3.2: for another → reject', '11', member(carol, 'join', bob), room('11', joinRule('public')), /cannot join for/],
    ['4.3.3: banned → reject', '11', join, banned('11'), /banned/],
    ['4.3.6: public → allow', '11', join, room('11', joinRule('public')), true],
    ['4.3.6: public, joined already → allow', '11', member(bob, 'join'), room('11', joinRule('public')), true],
    ['4.3.4: invite, not invited → reject', '11', join, room('11', joinRule('invite')), /not invited/],
    ['4.3.4: invite, invited → allow', '11', join, room('11', joinRule('invite'), invited), true],
    ['4.3.4: invite, joined → allow', '11', member(bob, 'join'), room('11', joinRule('invite')), true],
    ['4.3.4: invite, knocked → reject', '11', join, room('11', joinRule('invite'), member(carol, 'knock')), /not invited/],
    ['4.3.4: no join rules means invite', '11', join, room('11', invited), true],
    ['4.3.4: no join rules means invite', '11', join, room('11'), /not invited/],
    ['5.2.4: knock is no join rule yet', '6', join, room('6', joinRule('knock'), invited), /not invited/],
    ['4.2.4: knock, invited → allow', '7', join, room('7', joinRule('knock'), invited), true],
    ['4.2.4: knock, not invited → reject', '7', join, room('7', joinRule('knock')), /not invited/],
    ['4.3.7: private → reject even the invited', '11', join, room('11', joinRule('private'), invited), /not invited/],
    ['4.3.7: an unknown rule → reject', '11', join, room('11', joinRule('whim'), invited), /not invited/],
  ])
})

describe('m.room.member: restricted joins', () => {
  const via = (user: JsonObject[string]) =>
    member(carol, 'join', carol, { join_authorised_via_users_server: user })
  const plain = member(carol, 'join')
  const invited = member(carol, 'invite', alice)
  const restricted = (id: string, ...more: AuthEvent[]) => room(id, joinRule('restricted'), ...more)
  const both = (id: string, ...more: AuthEvent[]) => room(id, joinRule('knock_restricted'), ...more)
  const careful = levels({}, { invite: 50 })
  const signed = (server: string): AuthOptions => ({ isSignedBy: name => name === server })
  // biome-ignore format: a table, one case a line
  check([
    ['4.3.5.1: invited → allow', '8', plain, restricted('8', invited), true],
    ['4.3.5.1: joined → allow', '8', member(bob, 'join'), restricted('8'), true],
    ['4.3.5: not a rule yet', '7', plain, restricted('7', invited), /not invited/],
    ['4.3.5: not a rule yet', '7', via(bob), restricted('7'), /not invited/],
    ['4.3.5.3: authorised → allow', '8', via(bob), restricted('8'), true],
    ['4.3.5.2: not authorised → reject', '8', plain, restricted('8'), /Nobody/],
    ['4.3.5.2: authoriser below the invite level → reject', '11', via(bob), restricted('11', careful), /Nobody/],
    ['4.3.5.3: authoriser at the invite level', '11', via(alice), restricted('11', careful), true],
    ['4.3.5.2: authoriser not in the room → reject', '11', via('@eve:hourglass.test'), restricted('11'), /Nobody/],
    ['4.3.5.3: a creator may always invite', '12', via(alice), restricted('12', powerLevels({ invite: 1000 })), true],
    ['4.3.5: knock_restricted, authorised → allow', '10', via(bob), both('10'), true],
    ['4.3.5: knock_restricted, invited → allow', '10', plain, both('10', invited), true],
    ['4.3.5: knock_restricted, not authorised → reject', '10', plain, both('10'), /Nobody/],
    ['4.3.5: knock_restricted is no rule yet', '9', via(bob), both('9'), /not invited/],
    ['4.3.5: knock_restricted is no rule yet', '9', plain, both('9', invited), /not invited/],
    ['4.3.3: banned, though authorised → reject', '11', via(bob), restricted('11', member(carol, 'ban', alice)), /banned/],
    ['4.2.1: signed by the other server', '11', via(dora), restricted('11', ...joined(dora)), true, signed('elsewhere.test')],
    ['4.2.1: signed by some other server → reject', '11', via(dora), restricted('11', ...joined(dora)), /not signed/, signed('third.test')],
    ['4.2.1: nobody can tell → reject', '11', via(dora), restricted('11', ...joined(dora)), /not signed/],
    ['4.2.1: not a user id → reject', '11', via('bob'), room('11', joinRule('public')), /not signed/],
    ['4.2.1: not even a string → reject', '11', via(1), room('11', joinRule('public')), /not signed/],
    ['4.2.1: whatever the membership', '8', member(carol, 'invite', bob, { join_authorised_via_users_server: dora }), room('8'), /not signed/],
    ['4.2.1: not a rule yet', '7', via(dora), room('7', joinRule('public')), true],
  ])
})

describe('m.room.member: invite', () => {
  const invite = member(carol, 'invite', bob)
  // biome-ignore format: a table, one case a line
  check([
    ['4.4.4: at the invite level → allow', '11', invite, room('11'), true],
    ['4.4.4: one who left, or knocked → allow', '11', invite, room('11', member(carol, 'knock')), true],
    ['4.4.4: invited already → allow', '11', invite, room('11', member(carol, 'invite', alice)), true],
    ['4.4.2: the sender is not in the room → reject', '11', member(carol, 'invite', dora), room('11'), /dora.* is not in/],
    ['4.4.2: the sender is only invited → reject', '11', member(carol, 'invite', dora), room('11', member(dora, 'invite', bob)), /dora.* is not in/],
    ['4.4.3: the target is joined → reject', '11', member(alice, 'invite', bob), room('11'), /already in/],
    ['4.4.3: the target is banned → reject', '11', invite, room('11', member(carol, 'ban', alice)), /banned/],
    ['4.4.5: below the invite level → reject', '11', invite, room('11', levels({}, { invite: 1 })), /too low to invite/],
    ['4.4.4: reached', '11', invite, room('11', levels({ [bob]: 1 }, { invite: 1 })), true],
  ])
})

describe('m.room.member: third-party invite', () => {
  const keys: JsonObject = { public_key: 'one', public_keys: [{ public_key: 'two' }, 'broken', {}] }
  const offer = stateEvent(bob, 'm.room.third_party_invite', keys, 'tok')
  const answer = (signed: JsonObject[string], sender = bob) =>
    member(carol, 'invite', sender, { third_party_invite: { display_name: 'c', signed } })
  const right = { mxid: carol, token: 'tok', signatures: {} }
  const good: AuthOptions = {
    isSignedWithOneOf: (signed, known) => signed === right && known.join() === 'one,two',
  }
  const bad: AuthOptions = { isSignedWithOneOf: () => false }
  const bare = member(carol, 'invite', bob, { third_party_invite: {} })
  // biome-ignore format: a table, one case a line
  check([
    ['4.4.1.7: signed with a known key → allow', '11', answer(right), room('11', offer), true, good],
    ['4.4.1.7: in the first version, too', '1', answer(right), room('1', offer), true, good],
    ['4.4.1.7: the invite level does not matter', '11', answer(right), room('11', offer, levels({}, { invite: 99 })), true, good],
    ['4.4.1.8: signed with another → reject', '11', answer(right), room('11', offer), /cannot be verified/, bad],
    ['4.4.1.8: nobody can tell → reject', '11', answer(right), room('11', offer), /cannot be verified/],
    ['4.4.1.1: banned → reject', '11', answer(right), room('11', offer, member(carol, 'ban', alice)), /banned/, good],
    ['4.4.1.2: nothing signed → reject', '11', bare, room('11', offer), /not signed/, good],
    ['4.4.1.2: null is not signed', '11', answer(null), room('11', offer), /not signed/, good],
    ['4.4.1.3: no mxid → reject', '11', answer({ token: 'tok' }), room('11', offer), /lacks/, good],
    ['4.4.1.3: no token → reject', '11', answer({ mxid: carol }), room('11', offer), /lacks/, good],
    ['4.4.1.4: for another → reject', '11', answer({ ...right, mxid: dora }), room('11', offer), /not for/, good],
    ['4.4.1.5: unknown token → reject', '11', answer({ ...right, token: 'x' }), room('11', offer), /no such/, good],
    ['4.4.1.6: of another sender → reject', '11', answer(right, alice), room('11', offer), /somebody else/, good],
  ])
})

describe('m.room.member: leave', () => {
  const leave = member(carol, 'leave')
  const kick = member(carol, 'leave', bob)
  const there = member(carol, 'join')
  const out = member(carol, 'ban', alice)
  const split = { kick: 10, ban: 50 }
  // biome-ignore format: a table, one case a line
  check([
    ['4.5.1: joined → allow', '11', member(bob, 'leave'), room('11'), true],
    ['4.5.1: invited → allow', '11', leave, room('11', member(carol, 'invite', bob)), true],
    ['4.5.1: never there → reject', '11', leave, room('11'), /nothing to leave/],
    ['4.5.1: left already → reject', '11', leave, room('11', member(carol, 'leave')), /nothing to leave/],
    ['4.5.1: banned → reject', '11', leave, room('11', out), /nothing to leave/],
    ['4.4.1: knocked → allow', '7', leave, room('7', member(carol, 'knock')), true],
    ['4.4.1: there are no knocks yet', '6', leave, room('6', member(carol, 'knock')), /nothing to leave/],
    ['4.5.2: the sender is not in the room → reject', '11', member(bob, 'leave', dora), room('11'), /dora.* is not in/],
    ['4.5.4: at the kick level, above the target → allow', '11', kick, room('11', there, levels({ [bob]: 50, [carol]: 49 })), true],
    ['4.5.4: an invite withdrawn', '11', kick, room('11', member(carol, 'invite', alice), levels({ [bob]: 50 })), true],
    ['4.5.5: below the kick level → reject', '11', kick, room('11', there, levels({ [bob]: 49 })), /too low to kick/],
    ['4.5.5: not above the target → reject', '11', kick, room('11', there, levels({ [bob]: 50, [carol]: 50 })), /too low to kick/],
    ['4.5.3: unban at both levels → allow', '11', kick, room('11', out, levels({ [bob]: 50 }, split)), true],
    ['4.5.3: unban below the ban level → reject', '11', kick, room('11', out, levels({ [bob]: 49 }, split)), /too low to unban/],
    ['4.5.5: unban below the kick level → reject', '11', kick, room('11', out, levels({ [bob]: 50 }, { kick: 60 })), /too low to kick/],
    ['4.5.4: a creator kicks anybody', '12', member(bob, 'leave', alice), room('12', powerLevels({ users: { [bob]: 1e15 }, kick: 1e15 })), true],
    ['4.5.5: nobody kicks a creator', '12', member(alice, 'leave', bob), room('12', powerLevels({ users: { [bob]: 1e15 } })), /too low to kick/],
    ['4.5.5: not even another creator', '12', member(alice, 'leave', bob), [create('12', { additional_creators: [bob] }), ...joined(alice, bob)], /too low to kick/],
  ])
})

describe('m.room.member: ban', () => {
  const ban = member(carol, 'ban', bob)
  // biome-ignore format: a table, one case a line
  check([
    ['4.6.2: at the ban level, above the target → allow', '11', ban, room('11', levels({ [bob]: 50 })), true],
    ['4.6.2: one who is in the room → allow', '11', ban, room('11', member(carol, 'join'), levels({ [bob]: 50 })), true],
    ['4.6.1: the sender is not in the room → reject', '11', member(bob, 'ban', dora), room('11', levels({ [dora]: 50 })), /dora.* is not in/],
    ['4.6.3: below the ban level → reject', '11', ban, room('11', levels({ [bob]: 50 }, { ban: 51 })), /too low to ban/],
    ['4.6.3: not above the target → reject', '11', ban, room('11', levels({ [bob]: 50, [carol]: 50 })), /too low to ban/],
    ['4.6.3: oneself → reject', '11', member(bob, 'ban'), room('11', levels({ [bob]: 50 })), /too low to ban/],
  ])
})

describe('m.room.member: knock', () => {
  const knock = member(carol, 'knock')
  const door = (id: string, ...more: AuthEvent[]) => room(id, joinRule('knock'), ...more)
  const both = (id: string) => room(id, joinRule('knock_restricted'))
  // biome-ignore format: a table, one case a line
  check([
    ['4.6.3: knock → allow', '7', knock, door('7'), true],
    ['there are no knocks yet', '6', knock, door('6'), /no membership "knock"/],
    ['4.7.1: knock_restricted → allow', '10', knock, both('10'), true],
    ['4.7.1: knock_restricted is no rule yet', '9', knock, both('9'), /does not take knocks/],
    ['4.7.1: invite → reject', '11', knock, room('11', joinRule('invite')), /does not take knocks/],
    ['4.7.1: no join rules → reject', '11', knock, room('11'), /does not take knocks/],
    ['4.7.1: public → reject', '11', knock, room('11', joinRule('public')), /does not take knocks/],
    ['4.7.2: for another → reject', '11', member(carol, 'knock', bob), door('11'), /cannot knock for/],
    ['4.7.3: one who left, or knocked already → allow', '11', knock, door('11', member(carol, 'knock')), true],
    ['4.7.4: banned → reject', '11', knock, door('11', member(carol, 'ban', alice)), /membership ban/],
    ['4.7.4: invited → reject', '11', knock, door('11', member(carol, 'invite', alice)), /membership invite/],
    ['4.7.4: joined → reject', '11', member(bob, 'knock'), door('11'), /membership join/],
  ])
})
