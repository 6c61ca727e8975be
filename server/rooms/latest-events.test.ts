import type { EventRow } from '../../db/schema.ts'
import { heldTransaction } from '../../db/testing/test-transaction.ts'
import { LatestEvents } from './latest-events.ts'

let latest: LatestEvents
beforeEach(() => {
  latest = new LatestEvents()
})

const row = (position: number, roomId = '!a') =>
  ({ event_id: `$${position}`, room_id: roomId, position, sender: '@a', pdu: '{}' }) as EventRow

function append(...rows: EventRow[]) {
  const { tx, end } = heldTransaction()
  latest.note(tx, rows)
  end(true)
}

function forget(roomId: string) {
  const { tx, end } = heldTransaction()
  latest.forget(tx, roomId)
  end(true)
}

const all = () => true
const positions = (rows: readonly EventRow[] | undefined) => rows?.map(({ position }) => position)
const between = (after: number, upTo: number) => positions(latest.between('!a', after, upTo))
const end = (from: number, upTo: number, limit: number, passes: (row: EventRow) => boolean = all) =>
  positions(latest.end({ roomId: '!a', from, upTo }, limit, passes))
/** Read while there was nothing after it. */
const keep = (from: number, upTo: number, rows: EventRow[], isAll: boolean, began = begin(upTo)) =>
  began({ roomId: '!a', from, upTo }, rows, isAll)
const begin = (latestPosition: number, isIdle = true) =>
  latest.beginReading({ latest: () => latestPosition, isIdle: () => isIdle })

test('an event is here once its transaction has committed, and never if it did not', () => {
  const [undone, done] = [heldTransaction(), heldTransaction()]
  latest.note(undone.tx, [row(5)])
  latest.note(done.tx, [row(6)])
  expect(between(4, 9)).toBeUndefined()
  undone.end(false)
  done.end(true)
  expect(between(4, 9)).toBeUndefined()
  expect(between(5, 9)).toEqual([6])
})

test('what came before the first that was noted is not known', () => {
  append(row(5), row(7), row(9))
  expect(between(3, 9)).toBeUndefined()
  expect(between(4, 8)).toEqual([5, 7])
  expect(end(1, 9, 4)).toBeUndefined()
  expect(end(1, 9, 3)).toEqual([9, 7, 5])
  expect(end(5, 9, 4)).toEqual([9, 7, 5])
  expect(end(5, 8, 4)).toEqual([7, 5])
  expect(end(5, 9, 4, ({ position }) => position !== 7)).toEqual([9, 5])
  expect(end(1, 9, 3, ({ position }) => position !== 7)).toBeUndefined()
  expect(end(9, 8, 3)).toEqual([])
})

test('one that is heard of late takes its place, or is before all that is known', () => {
  append(row(5), row(9))
  append(row(7))
  append(row(3))
  expect(between(4, 9)).toEqual([5, 7, 9])
  expect(between(2, 9)).toBeUndefined()
})

test('one that is heard of late does not stand for a later one that was forgotten', () => {
  append(row(9))
  forget('!a')
  append(row(7))
  expect(between(6, 9)).toBeUndefined()
  append(row(10))
  expect(between(9, 10)).toEqual([10])
})

test('in a room that is kept without any yet, one that is heard of late is there, whatever was forgotten', () => {
  keep(1, 5, [], true)
  append(row(7, '!b'))
  forget('!b')
  append(row(6))
  expect(between(0, 7)).toEqual([6])
  expect(end(1, 7, 10)).toEqual([6])
})

test('a room of which an event has changed is forgotten, and no other', () => {
  append(row(5), row(6, '!b'))
  forget('!a')
  expect(between(4, 9)).toBeUndefined()
  expect(positions(latest.between('!b', 5, 9))).toEqual([6])
})

test('what was read stands before what has come meanwhile', () => {
  append(row(7))
  keep(1, 6, [row(5), row(3)], false)
  expect(end(1, 9, 3)).toEqual([7, 5, 3])
  expect(end(1, 9, 4)).toBeUndefined()
  keep(1, 7, [row(7), row(5), row(3), row(2)], true)
  expect(end(1, 9, 5)).toEqual([7, 5, 3, 2])
})

test('what was read before something was forgotten is not kept', () => {
  append(row(1))
  const before = begin(6)
  forget('!a')
  keep(1, 6, [row(5)], true, before)
  expect(between(0, 6)).toBeUndefined()
  keep(1, 6, [row(5)], true)
  expect(between(0, 6)).toEqual([5])
})

test('what was read of a room that had gone on already is not kept', () => {
  keep(1, 6, [row(5)], true, begin(7))
  expect(between(0, 6)).toBeUndefined()
})

test('what was read is not kept if something was in flight: it would be there twice once it is noted', () => {
  const before = begin(6, false)
  keep(1, 6, [row(6), row(5)], true, before)
  append(row(6))
  expect(between(5, 6)).toEqual([6])
})

test('what was read is not kept if something that came meanwhile is not here any more', () => {
  const before = begin(7)
  append(row(9))
  append(row(8))
  keep(1, 7, [row(5)], true, before)
  expect(between(0, 9)).toBeUndefined()
  keep(1, 9, [row(9), row(8), row(5)], true)
  expect(between(0, 9)).toEqual([5, 8, 9])
})

test('what was read is not kept if more has come meanwhile than is kept of a room', () => {
  const before = begin(7)
  for (let position = 8; position < 88; position++) append(row(position))
  keep(1, 7, [row(5)], true, before)
  expect(between(0, 87)).toBeUndefined()
  expect(between(47, 87)).toHaveLength(40)
})

test('of a busy room the latest are kept, and in all no more than a bounded amount', () => {
  for (let position = 1; position <= 200; position++) append(row(position))
  expect(between(0, 200)).toBeUndefined()
  expect(between(160, 200)).toHaveLength(40)
  const large = { pdu: 'x'.repeat(60_000) }
  for (let i = 0; i < 400; i++) append({ ...row(300 + i, `!${i}`), ...large })
  expect(between(160, 200)).toBeUndefined()
  expect(latest.between('!0', 299, 300)).toBeUndefined()
  expect(latest.between('!399', 698, 699)).toHaveLength(1)
})
