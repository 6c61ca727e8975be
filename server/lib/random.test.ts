import { randomToken } from './random.ts'

test('tokens are as long as their entropy, and no two are the same', () => {
  // More than one stock of 4,096 bytes, and not in even parts.
  const tokens = Array.from({ length: 2_000 }, (_, i) => randomToken(16 + (i % 5)))
  expect(new Set(tokens).size).toBe(tokens.length)
  for (const [i, token] of tokens.entries()) {
    expect(token).toHaveLength(Math.ceil(((16 + (i % 5)) * 8) / 6))
    expect(token).toMatch(/^[\w-]+$/)
  }
})

test('no part of one is in another: nothing is given away twice', () => {
  const tokens = Array.from({ length: 1_000 }, () => randomToken(18))
  const parts = tokens.flatMap(token => [token.slice(0, 8), token.slice(8, 16), token.slice(16)])
  expect(new Set(parts).size).toBe(parts.length)
})
