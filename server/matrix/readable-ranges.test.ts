import { isInRanges, withPositions } from './readable-ranges.ts'

const ranges = [
  { from: 3, upTo: 5 },
  { from: 9, upTo: 9 },
]

test.each([
  { positions: [], expected: ranges },
  { positions: [4, 9], expected: ranges },
  { positions: [1], expected: [{ from: 1, upTo: 1 }, ...ranges] },
  { positions: [12], expected: [...ranges, { from: 12, upTo: 12 }] },
  { positions: [2, 6], expected: [{ from: 2, upTo: 6 }, ranges[1]] },
  { positions: [6, 7, 8], expected: [{ from: 3, upTo: 9 }] },
])('with $positions besides: in order, and not touching one another', ({ positions, expected }) => {
  const before = structuredClone(ranges)
  const found = withPositions(ranges, positions)
  expect(found).toEqual(expected)
  expect(positions.every(position => isInRanges(position, found))).toBe(true)
  expect(ranges).toEqual(before)
})

test('positions alone are ranges', () => {
  expect(withPositions([], [2, 3, 7])).toEqual([
    { from: 2, upTo: 3 },
    { from: 7, upTo: 7 },
  ])
})
