import { BloomFilter } from './bloom-filter.ts'

const texts = (name: string, count: number) =>
  Array.from({ length: count }, (_, i) => `PUT /send {"roomId":"!room:hs","txnId":"${name}${i}"}`)

test('what was added is there, and of strangers few', () => {
  const filter = new BloomFilter(18)
  const members = texts('m', 2 ** 14)
  for (const member of members) filter.add(member)
  expect(filter.size).toBe(2 ** 14)
  expect(members.every(member => filter.mayHave(member))).toBe(true)
  const strangers = texts('s', 12_500).filter(stranger => filter.mayHave(stranger))
  // 0.24 % are to be expected.
  expect(strangers.length).toBeLessThan(63)
})

test('what has been cleared has nothing', () => {
  const filter = new BloomFilter(10)
  filter.add('a')
  filter.clear()
  expect([filter.mayHave('a'), filter.size]).toEqual([false, 0])
})
