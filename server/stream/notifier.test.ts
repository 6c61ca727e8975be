import { labClock } from '../lib/lab-clock.ts'
import { Notifier, roomTopic, userTopic } from './notifier.ts'

const now = 1_000
const room = roomTopic('!room:hs1')
const alice = userTopic('@alice:hs1')
const never = new AbortController().signal

function start() {
  const clock = labClock(now)
  const notifier = new Notifier(clock)
  const advance = (ms: number) => clock.advance(ms, async () => undefined)
  /** Nothing is left behind: no waiter, no timer. */
  const isClean = () => notifier.waiting() === 0 && clock.pendingTimers() === 0
  return { clock, notifier, advance, isClean }
}

/** Whether a promise has been resolved, once everything that is ready to run has run. */
async function isResolved(promise: Promise<void>): Promise<boolean> {
  let resolved = false
  void promise.then(() => {
    resolved = true
  })
  await new Promise(resolve => setImmediate(resolve))
  return resolved
}

describe('a wake-up is not missed, whichever comes first', () => {
  test('a publish before the wait ends it at once', async () => {
    const { notifier, isClean } = start()
    notifier.publish(7, [room])
    expect(await isResolved(notifier.wait([alice, room], 6, now + 10, never))).toBe(true)
    expect(isClean()).toBe(true)
  })

  test('a publish that the reader has seen already does not end it', async () => {
    const { notifier, advance, isClean } = start()
    notifier.publish(7, [room])
    const wait = notifier.wait([room], 7, now + 10, never)
    expect(await isResolved(wait)).toBe(false)
    expect(notifier.waiting()).toBe(1)
    await advance(10)
    expect(await isResolved(wait)).toBe(true)
    expect(isClean()).toBe(true)
  })

  test('a publish after the wait ends it, on any of its topics', async () => {
    const { notifier, isClean } = start()
    const wait = notifier.wait([alice, room], 0, now + 10, never)
    expect(await isResolved(wait)).toBe(false)
    notifier.publish(1, [room])
    expect(await isResolved(wait)).toBe(true)
    expect(isClean()).toBe(true)
  })

  test('a publish on another topic does not', async () => {
    const { notifier, advance } = start()
    const wait = notifier.wait([alice], 0, now + 10, never)
    notifier.publish(1, [room])
    expect(await isResolved(wait)).toBe(false)
    await advance(10)
    await wait
  })

  test('a lower position that is published later does not hide the higher one', async () => {
    const { notifier } = start()
    notifier.publish(9, [room])
    notifier.publish(4, [room])
    expect(await isResolved(notifier.wait([room], 8, now + 10, never))).toBe(true)
  })

  test('one publish wakes all who wait for the topic, and nobody else', async () => {
    const { notifier, advance, isClean } = start()
    const first = notifier.wait([room], 0, now + 10, never)
    const second = notifier.wait([room, alice], 0, now + 10, never)
    const other = notifier.wait([alice], 0, now + 10, never)
    expect(notifier.waiting()).toBe(3)
    notifier.publish(1, [room])
    await Promise.all([first, second])
    expect(await isResolved(other)).toBe(false)
    expect(notifier.waiting()).toBe(1)
    await advance(10)
    expect(isClean()).toBe(true)
  })
})

describe('a wait ends without a publish', () => {
  test('at its deadline, and not a millisecond before', async () => {
    const { notifier, advance, isClean } = start()
    const wait = notifier.wait([room], 0, now + 30_000, never)
    await advance(29_999)
    expect(await isResolved(wait)).toBe(false)
    await advance(1)
    expect(await isResolved(wait)).toBe(true)
    expect(isClean()).toBe(true)
  })

  test('at once if the deadline is past', async () => {
    const { notifier, isClean } = start()
    expect(await isResolved(notifier.wait([room], 0, now, never))).toBe(true)
    expect(isClean()).toBe(true)
  })

  test('when the client hangs up, before the wait or in it', async () => {
    const { notifier, isClean } = start()
    const hangUp = new AbortController()
    const wait = notifier.wait([room], 0, now + 10, hangUp.signal)
    expect(await isResolved(wait)).toBe(false)
    hangUp.abort()
    expect(await isResolved(wait)).toBe(true)
    expect(await isResolved(notifier.wait([room], 0, now + 10, hangUp.signal))).toBe(true)
    expect(isClean()).toBe(true)
  })

  test('when the server stops; after that nobody waits any more', async () => {
    const { notifier, isClean } = start()
    const waits = [
      notifier.wait([room], 0, now + 10, never),
      notifier.wait([alice, room], 0, now + 10, never),
    ]
    expect(notifier.isStopped()).toBe(false)
    notifier.stop()
    await Promise.all(waits)
    expect(notifier.isStopped()).toBe(true)
    expect(await isResolved(notifier.wait([room], 0, now + 10, never))).toBe(true)
    expect(isClean()).toBe(true)
  })
})

test('a signal that outlives many waits keeps no listener of any of them', async () => {
  const { notifier } = start()
  const { signal } = new AbortController()
  let listeners = 0
  const counted = {
    aborted: false,
    addEventListener: (...given: Parameters<AbortSignal['addEventListener']>) => {
      listeners += 1
      signal.addEventListener(...given)
    },
    removeEventListener: (...given: Parameters<AbortSignal['removeEventListener']>) => {
      listeners -= 1
      signal.removeEventListener(...given)
    },
  } as unknown as AbortSignal
  for (let position = 1; position <= 3; position++) {
    const wait = notifier.wait([room, alice], position - 1, now + 10, counted)
    expect(listeners).toBe(1)
    notifier.publish(position, [room, alice])
    await wait
    // That of whoever was woken, until they wait again.
    expect(listeners).toBe(1)
  }
})

describe('atWork', () => {
  test('whoever was woken is at work until they wait again', async () => {
    const { notifier } = start()
    const { signal } = new AbortController()
    expect(notifier.atWork()).toEqual([])
    const wait = notifier.wait([room], 0, now + 10, signal)
    notifier.publish(1, [room])
    await wait
    const works = notifier.atWork()
    expect(works.map(([who]) => who)).toEqual([signal])
    const rest = Promise.all(works.map(([, work]) => work)).then(() => undefined)
    expect(await isResolved(rest)).toBe(false)
    void notifier.wait([room], 1, now + 10, signal)
    expect(await isResolved(rest)).toBe(true)
    expect(notifier.atWork()).toEqual([])
  })

  test('or until they have ended', async () => {
    const { notifier } = start()
    const request = new AbortController()
    notifier.begin(request.signal)
    const [[, work] = []] = notifier.atWork()
    request.abort()
    await work
    expect(notifier.atWork()).toEqual([])
  })
})

describe('what need not be read', () => {
  test('a topic has moved past what it was last published at, and not past that', () => {
    const { notifier } = start()
    notifier.rememberAfter(5)
    notifier.publish(7, [room])
    expect(notifier.hasMoved(room, 6)).toBe(true)
    expect(notifier.hasMoved(room, 7)).toBe(false)
    expect(notifier.hasMoved(alice, 5)).toBe(false)
  })

  test('before the server started, anything may have happened', () => {
    const { notifier } = start()
    notifier.rememberAfter(5)
    expect(notifier.hasMoved(alice, 4)).toBe(true)
    expect(notifier.remembers(4)).toBe(false)
    expect(notifier.remembers(5)).toBe(true)
  })

  test('who was never told where the server started knows nothing', () => {
    expect(start().notifier.hasMoved(alice, 1_000_000)).toBe(true)
  })
})

test('of more topics than are remembered, what moved longest ago may have moved, and nothing is missed', () => {
  const { notifier } = start()
  notifier.rememberAfter(0)
  notifier.publish(1, [alice])
  notifier.publish(2, [room])
  notifier.publish(3, [alice])
  expect([notifier.hasMoved(room, 0), notifier.hasMoved('room:!quiet:hs1', 0)]).toEqual([
    true,
    false,
  ])
  for (let i = 0; i < 199_999; i++) notifier.publish(4, [`room:!${i}:hs1`])
  // The room's is forgotten: what is asked from before it is not known, what came after it is.
  expect([notifier.hasMoved(room, 1), notifier.remembers(1)]).toEqual([true, false])
  expect([notifier.hasMoved(room, 2), notifier.remembers(2)]).toEqual([false, true])
  expect([notifier.hasMoved(alice, 2), notifier.hasMoved(alice, 3)]).toEqual([true, false])
})
