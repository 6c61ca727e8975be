import { RateLimiter } from './rate-limiter.ts'

const start = Date.UTC(2030, 0, 1)

test('so many at once, then one for each interval', () => {
  const limiter = new RateLimiter(1, 3)
  expect([1, 2, 3, 4].map(() => limiter.take('a', start))).toEqual([0, 0, 0, 1_000])
  expect(limiter.take('a', start + 999)).toBe(1)
  expect(limiter.take('a', start + 1_000)).toBe(0)
  expect(limiter.take('a', start + 1_000)).toBe(1_000)
})

test('who is refused has taken nothing', () => {
  const limiter = new RateLimiter(1, 1)
  limiter.take('a', start)
  for (let ms = 1; ms < 1_000; ms++) expect(limiter.take('a', start + ms)).toBe(1_000 - ms)
  expect(limiter.take('a', start + 1_000)).toBe(0)
})

test('who rests has the whole burst again, and not more', () => {
  const limiter = new RateLimiter(2, 3)
  for (let i = 0; i < 3; i++) limiter.take('a', start)
  const later = start + 3_600_000
  expect([1, 2, 3, 4].map(() => limiter.take('a', later))).toEqual([0, 0, 0, 500])
})

test.each([3, 7, 0.003, 1_000, 5_000])('waiting as told is enough at %d a second', perSecond => {
  const limiter = new RateLimiter(perSecond, 4)
  let now = start + 1 / 3
  for (let i = 0; i < 1_000; i++) {
    const waitMs = limiter.take('a', now)
    if (waitMs === 0) continue
    expect(Number.isInteger(waitMs)).toBe(true)
    now += waitMs
    expect(limiter.take('a', now)).toBe(0)
  }
})

test('keys do not count together', () => {
  const limiter = new RateLimiter(1, 1)
  expect(limiter.take('a', start)).toBe(0)
  expect(limiter.take('b', start)).toBe(0)
})

test('a clock that is set back costs no more than a burst', () => {
  const limiter = new RateLimiter(1, 5)
  for (let i = 0; i < 5; i++) limiter.take('a', start)
  expect(limiter.take('a', start - 3_600_000)).toBe(1_000)
})

test('what is late counts at its own time', () => {
  const limiter = new RateLimiter(1, 2)
  const now = start + 60_000
  const due = [start, start, start, start + 1_000, now]
  expect(due.map(dueAt => limiter.take('a', now, dueAt))).toEqual([0, 0, 1_000, 0, 0])
})

test('but not if more has been taken since than there was to take then', () => {
  const limiter = new RateLimiter(1, 2)
  const now = start + 60_000
  expect(limiter.take('a', now)).toBe(0)
  expect(limiter.take('a', now, start)).toBe(0)
  expect(limiter.take('a', now, start)).toBe(1_000)
})

test('whoever has used up nothing is forgotten', () => {
  const limiter = new RateLimiter(1, 1)
  for (let i = 0; i < 1_000; i++) limiter.take(`${i}`, start)
  expect(limiter.size()).toBe(1_000)
  for (let i = 0; i < 1_000; i++) limiter.take(`later ${i}`, start + 2_000 + i)
  expect(limiter.size()).toBe(1_000)
  limiter.take('a', start + 60_000)
  for (let i = 0; i < 1_000; i++) limiter.take('a', start + 60_000 + i * 1_000)
  expect(limiter.size()).toBe(1)
})

test('no more keys are kept than fit', () => {
  const limiter = new RateLimiter(0.001, 1)
  for (let i = 0; i < 100_500; i++) limiter.take(`${i}`, start)
  expect(limiter.size()).toBe(100_000)
  expect(limiter.take('100499', start)).toBeGreaterThan(0)
  expect(limiter.take('0', start)).toBe(0)
})
