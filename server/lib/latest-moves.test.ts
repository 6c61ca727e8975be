import { LatestMoves } from './latest-moves.ts'

test('what has moved in (after, upTo], in order; what has moved on is found there alone', () => {
  const moves = new LatestMoves()
  expect(moves.between(0, 9)).toEqual([])
  moves.set('a', 1)
  moves.set('b', 3)
  moves.set('c', 5)
  expect(moves.between(0, 9)).toEqual(['a', 'b', 'c'])
  expect(moves.between(1, 5)).toEqual(['b', 'c'])
  expect(moves.between(3, 4)).toEqual([])
  moves.set('a', 7)
  expect(moves.between(0, 6)).toEqual(['b', 'c'])
  expect(moves.between(0, 7)).toEqual(['b', 'c', 'a'])
})

test('one that moves again and again hides none', () => {
  const moves = new LatestMoves()
  moves.set('a', 1)
  moves.set('b', 2)
  for (let position = 3; position < 100; position++) moves.set('c', position)
  expect(moves.between(0, 100)).toEqual(['a', 'b', 'c'])
  expect(moves.between(2, 98)).toEqual([])
  expect(moves.between(2, 99)).toEqual(['c'])
})
