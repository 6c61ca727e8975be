import { RecentMap } from './recent-map.ts'

test('what was set longest ago goes first, and to set it again makes it the latest', () => {
  const map = new RecentMap<string, number>(2)
  map.set('a', 1).set('b', 2).set('a', 3)
  expect([...map]).toEqual([
    ['b', 2],
    ['a', 3],
  ])
  map.set('c', 4)
  expect([...map.keys()]).toEqual(['a', 'c'])
  map.delete('a')
  map.set('d', 5)
  expect([...map.keys()]).toEqual(['c', 'd'])
})

test('by size: as many of the oldest go as must, and the latest stays however large', () => {
  const map = new RecentMap<string, string>(10, text => text.length)
  map.set('a', 'aaaa').set('b', 'bbb').set('c', 'ccc')
  expect([...map.keys()]).toEqual(['a', 'b', 'c'])
  map.set('d', 'ddddd')
  expect([...map.keys()]).toEqual(['c', 'd'])
  map.set('e', 'a'.repeat(11))
  expect([...map.keys()]).toEqual(['e'])
  map.set('f', 'f')
  expect([...map.keys()]).toEqual(['f'])
})

test('by size: what was set again, taken away or cleared has no size any more', () => {
  const map = new RecentMap<string, string>(10, text => text.length)
  map.set('a', 'a'.repeat(9)).set('a', 'a').set('b', 'b'.repeat(9))
  expect([...map.keys()]).toEqual(['a', 'b'])
  expect([map.delete('b'), map.delete('b')]).toEqual([true, false])
  map.set('c', 'c'.repeat(9))
  expect([...map.keys()]).toEqual(['a', 'c'])
  map.clear()
  map.set('d', 'd'.repeat(5)).set('e', 'e'.repeat(5))
  expect([...map.keys()]).toEqual(['d', 'e'])
})
