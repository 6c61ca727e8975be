import { containsGlob, containsWord, matchesGlob } from './glob.ts'

describe('a glob against a whole value', () => {
  test.each([
    ['m.room.message', 'm.room.message', true],
    ['m.room.message', 'M.ROOM.*', true],
    ['m.room.message', 'm.*.message', true],
    ['m.room.message', 'room', false],
    ['m.room.message', 'm?room?message', true],
    ['m.room.message', 'm?oom?message', false],
    ['', '', true],
    ['', '*', true],
    ['', '?', false],
    ['x', '', false],
    ['abcabc', '*abc', true],
    ['abcab', '*abc', false],
    ['a.c', 'a[.]c', false],
    ['aXbXc', 'a**c', true],
  ])('%j %j: %j', (text, pattern, expected) => {
    expect(matchesGlob(text, pattern)).toBe(expected)
  })
})

describe('a glob among the words of a text', () => {
  test.each([
    ['Hello Alice!', 'alice', true],
    ['malice', 'alice', false],
    ['alice_b', 'alice', false],
    ['@alice:hs1', 'alice', true],
    ['me@room now', '@room', false],
    ['hey @room, now', '@room', true],
    ['hey @rooms', '@room', false],
    ['a wonderful day', 'won*', true],
    ['a wonderful day', 'onder*', false],
    ['a wonderful day', 'w*l', true],
    ['a wonderful day', 'd?y', true],
    ['a wonderful day', 'd?', false],
    ['', 'x', false],
    ['x', '', false],
  ])('%j %j: %j', (text, pattern, expected) => {
    expect(containsGlob(text, pattern)).toBe(expected)
  })

  test('a name is found as it is, stars and all', () => {
    expect(containsWord('hello *star*, hi', '*Star*')).toBe(true)
    expect(containsWord('hello star', '*')).toBe(false)
  })
})
