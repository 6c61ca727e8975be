import { requiredState, sharedMerging } from './required-state.ts'

const wish = (...types: string[]) =>
  requiredState(
    types.map(type => [type, '*']),
    '@alice:hs1',
  )

test('rooms of one answer that are to have the same share it, and others do not', () => {
  const merge = sharedMerging()
  const first = merge([wish('m.room.name'), wish('m.room.topic')])
  expect(merge([wish('m.room.topic'), wish('m.room.name')])).toBe(first)
  expect(merge([wish('m.room.name', 'm.room.topic')])).toBe(first)
  const other = merge([wish('m.room.name')])
  expect([...other.keys.keys()]).toEqual(['m.room.name'])
  expect([...first.keys.keys()].sort()).toEqual(['m.room.name', 'm.room.topic'])
})
