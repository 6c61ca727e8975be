import type { JsonObject } from '../lib/json.ts'
import { isAllowed } from './auth-rules.ts'
import {
  alice,
  allVersions,
  bob,
  carol,
  create,
  joined,
  powerLevels,
  roomIdIn,
  stateOf,
  version,
} from './test-events.ts'

/** `true` for allowed, otherwise the reason. */
function verdict(id: string, sender: string, current: JsonObject | undefined, next: JsonObject) {
  const before = current ? [powerLevels(current)] : []
  const more: JsonObject = id === '12' ? { additional_creators: [carol] } : {}
  const state = stateOf([create(id, more), ...joined(alice, bob, carol), ...before])
  const event = { ...powerLevels(next, sender), room_id: roomIdIn(id) }
  const answer = isAllowed(event, state, version(id))
  return answer.allowed || answer.reason
}

const expectation = (answer: unknown, expected: true | RegExp) =>
  expected === true
    ? expect(answer).toBe(true)
    : expect(answer).toEqual(expect.stringMatching(expected))

/** In versions 1 to 11 alice has 100 without power levels; in version 12 she is the creator. */
describe('m.room.power_levels: the shape', () => {
  // biome-ignore format: a table, one case a line
  test.each<[string, string, JsonObject, true | RegExp]>([
    ['an empty event', '11', {}, true],
    ['9.1: integers', '10', { ban: 1, kick: -1, users_default: 0 }, true],
    ['9.1: a string → reject', '10', { ban: '50' }, /ban must be/],
    ['9.1: strings are fine', '9', { ban: ' 50 ' }, true],
    ['9.1: a string that is no integer → reject', '9', { kick: 'fifty' }, /kick must be/],
    ['9.1: null → reject', '10', { state_default: null }, /state_default must be/],
    ['9.1: a fraction → reject', '10', { invite: 0.5 }, /invite must be/],
    ['9.1: a fraction → reject', '1', { invite: 0.5 }, /invite must be/],
    ['9.1: beyond the safe integers → reject', '10', { redact: 2 ** 53 }, /redact must be/],
    ['9.1: beyond the safe integers → reject', '1', { redact: '9007199254740992' }, /redact must be/],
    ['9.1: other keys are not looked at', '10', { 'org.example': 'x' }, true],
    ['9.2: events of integers', '10', { events: { a: 1 } }, true],
    ['9.2: events with a string → reject', '10', { events: { a: '1' } }, /events must hold/],
    ['9.2: events with a string', '9', { events: { a: '1' } }, true],
    ['9.2: events is not an object → reject', '10', { events: [] }, /events must be/],
    ['9.2: notifications with a string → reject', '10', { notifications: { room: '1' } }, /notifications must hold/],
    ['9.2: notifications with a string', '9', { notifications: { room: '1' } }, true],
    ['9.2: notifications is not an object → reject', '10', { notifications: 5 }, /notifications must be/],
    ['9.3: users of integers', '10', { users: { [bob]: 1 } }, true],
    ['9.3: users with a string → reject', '10', { users: { [bob]: '1' } }, /users must hold/],
    ['10.1: users with a string', '1', { users: { [bob]: '1' } }, true],
    ['10.1: users with no level → reject', '1', { users: { [bob]: 'x' } }, /users must hold/],
    ['10.1: a key that is no user id → reject', '1', { users: { bob: 1 } }, /user IDs/],
    ['9.3: a key that is no user id → reject', '11', { users: { '@bob': 1 } }, /user IDs/],
    ['9.3: users is not an object → reject', '11', { users: null }, /users must be/],
    ['10.4: the sender of the create event → reject', '12', { users: { [alice]: 100 } }, /alice.* creator/],
    ['10.4: an additional creator → reject', '12', { users: { [carol]: 1 } }, /carol.* creator/],
    ['10.4: others', '12', { users: { [bob]: 100 } }, true],
    ['10.4: not a rule yet', '11', { users: { [alice]: 100 } }, true],
  ])('%s (v%s)', (_rule, id, content, expected) => {
    expectation(verdict(id, alice, undefined, content), expected)
  })

  test.each(allVersions)('9.4: without current power levels anything goes (v%s)', id => {
    expectation(verdict(id, alice, undefined, { ban: 10_000, users: { [bob]: 9000 } }), true)
  })
})

const scalars = [
  'users_default',
  'events_default',
  'state_default',
  'ban',
  'redact',
  'kick',
  'invite',
]

describe.each(scalars)('m.room.power_levels: %s', key => {
  const bobHas50 = { users: { [bob]: 50 }, events: { 'm.room.power_levels': 0 } }
  test.each<[string, JsonObject, JsonObject, true | RegExp]>([
    ['unchanged, though above oneself', { [key]: 90 }, { [key]: 90 }, true],
    ['9.5.1: the current value is greater → reject', { [key]: 51 }, { [key]: 50 }, /51/],
    ['9.5.1: the current value is equal', { [key]: 50 }, { [key]: 49 }, true],
    ['9.5.1: a greater value removed → reject', { [key]: 51 }, {}, /51/],
    ['9.5.2: the new value is greater → reject', { [key]: 50 }, { [key]: 51 }, /51/],
    ['9.5.2: a greater value added → reject', {}, { [key]: 51 }, /51/],
    ['9.5.2: an equal value added', {}, { [key]: 50 }, true],
  ])('%s', (_rule, before, after, expected) => {
    const answer = verdict('11', bob, { ...bobHas50, ...before }, { ...bobHas50, ...after })
    expectation(answer, expected)
  })
})

describe.each(['events', 'notifications'])('m.room.power_levels: %s', section => {
  const base = { users: { [bob]: 50 }, state_default: 0 }
  const attempt = (id: string, before: JsonObject, after: JsonObject) =>
    verdict(id, bob, { ...base, [section]: before }, { ...base, [section]: after })

  test.each<[string, JsonObject, JsonObject, true | RegExp]>([
    ['unchanged, though above oneself', { room: 90 }, { room: 90, a: 50 }, true],
    ['9.6.1: a greater value changed → reject', { room: 51 }, { room: 1 }, /51/],
    ['9.6.1: a greater value removed → reject', { room: 51 }, {}, /51/],
    ['9.6.1: an equal value removed', { room: 50 }, {}, true],
    ['9.7.1: a greater value added → reject', {}, { room: 51 }, /51/],
    ['9.7.1: a greater value set → reject', { room: 1 }, { room: 51 }, /51/],
    ['9.7.1: an equal value set', { room: 1 }, { room: 50 }, true],
    ['9.7.1: a name of Object.prototype is like any other', {}, { constructor: 51 }, /51/],
  ])('%s', (_rule, before, after, expected) => {
    expectation(attempt('11', before, after), expected)
  })

  test('notifications are limited from v6 on, events always', () => {
    expectation(attempt('6', {}, { room: 51 }), /51/)
    expectation(attempt('5', {}, { room: 51 }), section === 'events' ? /51/ : true)
  })
})

describe('m.room.power_levels: users', () => {
  const attempt = (id: string, sender: string, before: JsonObject, after: JsonObject) =>
    verdict(id, sender, { state_default: 0, users: before }, { state_default: 0, users: after })

  // biome-ignore format: a table, one case a line
  test.each<[string, string, JsonObject, JsonObject, true | RegExp]>([
    ['9.8: somebody below', bob, { [bob]: 50, [carol]: 49 }, { [bob]: 50, [carol]: 1 }, true],
    ['9.8: an equal demoted → reject', bob, { [bob]: 50, [carol]: 50 }, { [bob]: 50, [carol]: 1 }, /carol.*50/],
    ['9.8: an equal removed → reject', bob, { [bob]: 50, [carol]: 50 }, { [bob]: 50 }, /carol.*50/],
    ['9.8: an equal promoted → reject', bob, { [bob]: 50, [carol]: 50 }, { [bob]: 50, [carol]: 51 }, /carol/],
    ['9.8: oneself demoted', bob, { [bob]: 50 }, { [bob]: 1 }, true],
    ['9.8: oneself removed', bob, { [bob]: 50 }, {}, true],
    ['9.9: oneself promoted → reject', bob, { [bob]: 50 }, { [bob]: 51 }, /bob.*51/],
    ['9.9: somebody added above → reject', bob, { [bob]: 50 }, { [bob]: 50, [carol]: 51 }, /carol.*51/],
    ['9.9: somebody made an equal', bob, { [bob]: 50 }, { [bob]: 50, [carol]: 50 }, true],
    ['unchanged, though above', bob, { [bob]: 50, [alice]: 100 }, { [bob]: 50, [alice]: 100 }, true],
  ])('%s', (_rule, sender, before, after, expected) => {
    expectation(attempt('11', sender, before, after), expected)
  })

  test('the same level in another spelling is no change', () => {
    const spelt = { [bob]: '50', [alice]: '0100' }
    expectation(attempt('9', bob, { [bob]: 50, [alice]: 100 }, spelt), true)
  })

  test('v12: a creator may change anybody', () => {
    const top = Number.MAX_SAFE_INTEGER
    expectation(attempt('12', alice, { [bob]: top }, {}), true)
    expectation(attempt('11', alice, { [alice]: top, [bob]: top }, { [alice]: top }), /bob/)
  })

  test('users_default may be lowered by those who have exactly that', () => {
    const before = { users_default: 100, state_default: 0 }
    expectation(verdict('11', bob, before, { users_default: 40, state_default: 0 }), true)
  })
})
