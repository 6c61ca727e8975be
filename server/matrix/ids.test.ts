import {
  domainOf,
  isEventId,
  isRoomAlias,
  isRoomId,
  isServerName,
  isUserId,
  isValidLocalpart,
  localpartOf,
  makeUserId,
} from './ids.ts'

const hash = 'Nhcu5BS-UMnFX7hBVfVSoXiD7OgH6iRT-xyIuqDnpYQ'

describe('isServerName', () => {
  test.each([
    'matrix.org',
    'matrix.org:8888',
    '1.2.3.4',
    '1.2.3.4:1234',
    '[1234:5678::abcd]',
    '[1234:5678::abcd]:5678',
    '[::ffff:1.2.3.4]',
    'localhost',
    'EXAMPLE.org',
    'a'.repeat(255),
  ])('%s', name => expect(isServerName(name)).toBe(true))

  test.each([
    '',
    ':80',
    'matrix.org:',
    'matrix.org:123456',
    'matrix.org:80:80',
    'matrix_org',
    'matrix.org\n',
    'mätrix.org',
    '[1234:5678::abcd',
    '[x]',
    '1234::abcd',
    'a'.repeat(256),
  ])('not %j', name => expect(isServerName(name)).toBe(false))
})

describe('isUserId', () => {
  test.each([
    '@alice:example.org',
    '@a.b_c=d-e/f+1:example.org:8448',
    '@Alice:example.org',
    '@älice 🐈\u0001\n:example.org',
    '@:example.org',
    `@${'a'.repeat(242)}:example.org`,
  ])('%j', id => expect(isUserId(id)).toBe(true))

  test.each([
    '',
    '@',
    'alice:example.org',
    '@alice',
    '@alice:',
    '@alice:exa mple.org',
    '@ali:ce:example.org',
    '@al\0ice:example.org',
    '@al\ud83dice:example.org',
    `@${'a'.repeat(243)}:example.org`,
    `@${'ä'.repeat(122)}:example.org`,
  ])('not %j', id => expect(isUserId(id)).toBe(false))
})

describe('isValidLocalpart', () => {
  test.each(['alice', '0', 'a.b_c=d-e/f+g'])('%s', localpart =>
    expect(isValidLocalpart(localpart, 'example.org')).toBe(true),
  )
  test.each(['', 'Alice', 'a b', 'ä', 'a:b', 'a@b', 'a\n'])('not %j', localpart =>
    expect(isValidLocalpart(localpart, 'example.org')).toBe(false),
  )
  test('the whole id has at most 255 bytes', () => {
    expect(isValidLocalpart('a'.repeat(242), 'example.org')).toBe(true)
    expect(isValidLocalpart('a'.repeat(243), 'example.org')).toBe(false)
  })
})

describe('isRoomId', () => {
  test.each(['!opaque:example.org', '!a b🐈:localhost:8008', `!${hash}`])('%s', id =>
    expect(isRoomId(id)).toBe(true),
  )
  test.each([
    '!',
    '!opaque',
    '!:example.org',
    '!opaque:',
    'opaque:example.org',
    '!op\0aque:example.org',
    `!${hash}=`,
    `!${hash.slice(1)}`,
    `!${hash.replace('-', '+')}`,
    `!${'a'.repeat(243)}:example.org`,
  ])('not %j', id => expect(isRoomId(id)).toBe(false))
})

describe('isRoomAlias', () => {
  test.each(['#room:example.org', '#Räum 1:example.org:80'])('%s', id =>
    expect(isRoomAlias(id)).toBe(true),
  )
  test.each(['#room', '#:example.org', '!room:example.org', '#ro\0om:example.org'])('not %j', id =>
    expect(isRoomAlias(id)).toBe(false),
  )
})

describe('isEventId', () => {
  test.each(['$opaque:example.org', `$${hash}`, '$acR1l0raoZnm60CBwAVgqbZqoO/mYU81xysh1u7XcJk'])(
    '%s',
    id => expect(isEventId(id)).toBe(true),
  )
  test.each(['', '$', 'opaque', '$a\0', `$${'a'.repeat(255)}`])('not %j', id =>
    expect(isEventId(id)).toBe(false),
  )
})

test.each([
  ['@alice:example.org', 'alice', 'example.org'],
  ['@alice:example.org:8448', 'alice', 'example.org:8448'],
  ['#room:[::1]:80', 'room', '[::1]:80'],
  ['@:example.org', '', 'example.org'],
  [`!${hash}`, hash, ''],
])('the parts of %s', (id, localpart, domain) => {
  expect(localpartOf(id)).toBe(localpart)
  expect(domainOf(id)).toBe(domain)
})

test('makeUserId', () => expect(makeUserId('alice', 'a.b:1')).toBe('@alice:a.b:1'))
