import type { JsonObject, JsonValue } from '../lib/json.ts'
import {
  actionLevel,
  creatorsOf,
  mayRedact,
  notificationLevel,
  powerLevelOf,
  readLevel,
  requiredLevel,
} from './power-levels.ts'
import { alice, bob, carol, create, dora, powerLevels, version } from './test-events.ts'

describe('Power levels: what is a level', () => {
  test.each<[JsonValue | undefined, string, number | undefined]>([
    [50, '9', 50],
    [50, '10', 50],
    [-1, '12', -1],
    [Number.MAX_SAFE_INTEGER, '10', Number.MAX_SAFE_INTEGER],
    [Number.MAX_SAFE_INTEGER + 1, '1', undefined],
    [Number.MAX_SAFE_INTEGER + 1, '10', undefined],
    [50.5, '1', undefined],
    [50.5, '10', undefined],
    ['50', '9', 50],
    ['50', '10', undefined],
    ['000100', '9', 100],
    [' +100 ', '1', 100],
    ['\t-100\n', '1', -100],
    ['', '9', undefined],
    [' ', '9', undefined],
    ['+', '9', undefined],
    ['+-1', '9', undefined],
    ['1 000', '9', undefined],
    ['1e2', '9', undefined],
    ['0x10', '9', undefined],
    ['50.0', '9', undefined],
    ['9007199254740993', '9', undefined],
    [true, '9', undefined],
    [null, '9', undefined],
    [[50], '9', undefined],
    [undefined, '9', undefined],
  ])('%j in version %s is %p', (value, id, expected) => {
    expect(readLevel(value, version(id))).toBe(expected)
  })
})

describe('Room creators', () => {
  // biome-ignore format: a table, one case a line
  test.each<[string, string, JsonObject, string[]]>([
    ['v10: content.creator', '10', { creator: bob }, [bob]],
    ['v11: the sender, whatever content.creator says', '11', { creator: bob }, [alice]],
    ['v11: additional_creators mean nothing', '11', { additional_creators: [bob] }, [alice]],
    ['v12: the sender and the others, once each', '12', { additional_creators: [bob, alice] }, [alice, bob]],
    ['v12: none besides the sender', '12', {}, [alice]],
  ])('%s', (_rule, id, content, expected) => {
    expect(creatorsOf(create(id, content), version(id))).toEqual(expected)
  })
})

describe('The power level of a user', () => {
  const levels = powerLevels({ users: { [bob]: 75, [carol]: 'much' }, users_default: 5 })
  test.each([
    ['without power levels the creator has 100', '11', alice, undefined, 100],
    ['and anyone else 0', '11', bob, undefined, 0],
    ['v10: the creator is the one in content', '10', alice, undefined, 100],
    ['an entry in users', '11', bob, levels, 75],
    ['otherwise users_default', '11', dora, levels, 5],
    ['an unreadable entry is none', '11', carol, levels, 5],
    ['users_default is 0 by default', '11', alice, powerLevels({}), 0],
    ['the creator has no privilege before v12', '11', alice, levels, 5],
    ['v12: the creator is above all', '12', alice, levels, Number.POSITIVE_INFINITY],
    ['v12: also without power levels', '12', alice, undefined, Number.POSITIVE_INFINITY],
    ['v12: others without power levels', '12', bob, undefined, 0],
    ['v9: levels in strings', '9', bob, powerLevels({ users: { [bob]: ' 75' } }), 75],
    ['names of Object.prototype are no entries', '11', 'constructor', levels, 5],
  ])('%s', (_rule, id, userId, current, expected) => {
    expect(powerLevelOf(userId, create(id), current, version(id))).toBe(expected)
  })

  test('v12: an additional creator is above all', () => {
    const event = create('12', { additional_creators: [dora] })
    expect(powerLevelOf(dora, event, undefined, version('12'))).toBe(Number.POSITIVE_INFINITY)
  })
})

describe('The required power level', () => {
  const levels = powerLevels({
    events: { 'm.room.message': 10, 'm.room.name': 20 },
    events_default: 1,
    state_default: 2,
  })
  test.each([
    ['messages default to 0', 'm.room.message', undefined, undefined, 0],
    ['state defaults to 50', 'm.room.topic', '', undefined, 50],
    ['the same with power levels that do not say', 'm.room.topic', '', powerLevels({}), 50],
    ['events_default', 'm.reaction', undefined, levels, 1],
    ['state_default', 'm.room.topic', '', levels, 2],
    ['an entry for a message', 'm.room.message', undefined, levels, 10],
    ['an entry for a state event', 'm.room.name', 'key', levels, 20],
    ['names of Object.prototype are no entries', 'toString', undefined, levels, 1],
  ])('%s', (_rule, type, state_key, current, expected) => {
    expect(requiredLevel({ type, state_key }, current, version('11'))).toBe(expected)
  })

  test.each([
    ['invite', 0, 7],
    ['kick', 50, 8],
    ['ban', 50, 9],
    ['redact', 50, 10],
  ] as const)('the %s level is %i unless the room says otherwise', (action, byDefault, set) => {
    const current = powerLevels({ invite: 7, kick: 8, ban: 9, redact: 10 })
    expect(actionLevel(action, undefined, version('11'))).toBe(byDefault)
    expect(actionLevel(action, powerLevels({}), version('11'))).toBe(byDefault)
    expect(actionLevel(action, current, version('11'))).toBe(set)
  })

  test('the level of @room is 50 unless the room says otherwise', () => {
    const current = powerLevels({ notifications: { room: 20 } })
    expect(notificationLevel('room', undefined, version('11'))).toBe(50)
    expect(notificationLevel('room', current, version('11'))).toBe(20)
    expect(notificationLevel('other', current, version('11'))).toBe(50)
  })
})

describe('Redactions: who may have an event redacted', () => {
  const levels = powerLevels({ users: { [bob]: 50 } })
  test.each([
    ['one’s own', carol, carol, true],
    ['somebody else’s at the redact level', bob, carol, true],
    ['somebody else’s below it, though of the same server', carol, bob, false],
  ])('%s', (_rule, redactor, originalSender, expected) => {
    const request = { redactor, originalSender, create: create('11'), powerLevels: levels }
    expect(mayRedact({ ...request, version: version('11') })).toBe(expected)
  })
})
