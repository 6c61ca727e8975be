/** What the servers of a process share ends a moment after the last of them. */
import { labClock } from '../lib/lab-clock.ts'
import { Shared } from './shared.ts'

const clock = labClock(0)
const advance = (ms: number) => clock.advance(ms, async () => undefined)

let log: string[] = []
beforeEach(() => {
  log = []
})

function make(stop: () => Promise<void> = async () => undefined) {
  const start = async () => {
    log.push('start')
    return {
      async stop() {
        log.push('stop')
        await stop()
      },
    }
  }
  return new Shared(start, clock)
}

test('is started for the first, and stopped a moment after the last has left', async () => {
  const shared = make()
  const [first, second] = await Promise.all([shared.use(), shared.use()])
  expect(second).toBe(first)
  shared.leave()
  await advance(1_000)
  shared.leave()
  await advance(199)
  expect(log).toEqual(['start'])
  await advance(1)
  expect(log).toEqual(['start', 'stop'])
  await shared.use()
  expect(log).toEqual(['start', 'stop', 'start'])
})

test('who comes within that moment keeps it', async () => {
  const shared = make()
  await shared.use()
  shared.leave()
  await advance(199)
  await shared.use()
  await advance(1_000)
  expect(log).toEqual(['start'])
})

test('what is kept is stopped when it is said, once', async () => {
  const shared = make()
  await shared.use()
  shared.leave(true)
  await advance(1_000)
  expect(log).toEqual(['start'])
  await shared.stop()
  await shared.stop()
  expect(log).toEqual(['start', 'stop'])
})

test('after a start that failed the next is another one', async () => {
  let isBroken = true
  const shared = new Shared(async () => {
    if (isBroken) throw new Error('not there')
    return { stop: async () => undefined }
  }, clock)
  await expect(shared.use()).rejects.toThrow('not there')
  shared.leave()
  isBroken = false
  await expect(shared.use()).resolves.toBeDefined()
})

test('the process does not end because of what cannot be stopped', async () => {
  const unhandled: unknown[] = []
  const listener = (reason: unknown) => unhandled.push(reason)
  process.on('unhandledRejection', listener)
  const shared = make(() => Promise.reject(new Error('gone')))
  await shared.use()
  shared.leave()
  await advance(200)
  await new Promise(resolve => setImmediate(resolve))
  process.off('unhandledRejection', listener)
  expect(log).toEqual(['start', 'stop'])
  expect(unhandled).toEqual([])
})
