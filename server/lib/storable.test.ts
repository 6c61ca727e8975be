import { isStorable } from './storable.ts'

test.each([
  ['', true],
  ['⏳ \u0001', true],
  ['a\0', false],
  ['\ud83d', false],
])('%j', (text, is) => {
  expect(isStorable(text)).toBe(is)
})
