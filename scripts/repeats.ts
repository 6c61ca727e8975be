/**
 * `npm run repeats`: one scenario again and again, each time on the server as it was put aside, and
 * each time the log has to be the same.
 */
import { isDeepStrictEqual } from 'node:util'
import { type Homeserver, startHomeserver, type TestUser } from '../server/testing/ours.ts'
import { Client } from '../spec-tests/support/client.ts'
import { readCount, readOptions } from './options.ts'

const type = 'org.matrix.msc3401.call.member'

const usage = `
npm run repeats -- [options]: one scenario again and again, each time on the server as it was put
aside, on PGlite or on the PostgreSQL of DATABASE_URL

  --times N   1000 unless given

Exits with 0 only if every log was the first one's.
`
const { values } = readOptions(usage, { options: { times: { type: 'string', default: '1000' } } })
const times = readCount('times', values.times)

function as(user: TestUser): Client {
  const client = new Client(() => user.baseUrl)
  client.userId = user.userId
  client.token = user.accessToken
  return client
}

/**
 * Of two in a call, one keeps a heartbeat and hangs up, the other one's stops; a long poll waits
 * for it, and the server crashes on the way.
 */
async function play(hs: Homeserver, alice: Client, bob: Client, room: string): Promise<unknown> {
  const startedAt = hs.now()
  const leave = (who: Client) => who.delayState(room, 8_000, type, who.userId, {})
  const [alices, bobs] = [await leave(alice), await leave(bob)]
  await hs.advance('5s')
  await alice.manage(alices, 'restart')
  const { next_batch: since } = await alice.sync()
  const poll = alice.sync({ since, timeout: 30_000 })
  while (hs.waiting() === 0) await new Promise(resolve => setImmediate(resolve))
  const fired = await hs.advance('3s')
  const { rooms } = await poll
  await hs.crash('1s')
  await alice.manage(alices, 'send')
  const { chunk } = await alice.messages(room, { dir: 'f', limit: 100 })
  return {
    fired: fired.map(one => [one.delay_id === bobs, one.outcome, one.finalised_ts - startedAt]),
    woken: rooms.join?.[room]?.timeline.events.map(event => [event.type, event.sender]),
    log: chunk.map(event => [event.type, event.sender, event.origin_server_ts - startedAt]),
  }
}

const databaseUrl = process.env.DATABASE_URL
const hs = await startHomeserver({ databaseUrl })
const [alice, bob] = [as(await hs.user('alice')), as(await hs.user('bob'))]
const room = await alice.createRoom({
  preset: 'public_chat',
  power_level_content_override: { events: { [type]: 0 } },
})
await bob.join(room)
const save = await hs.snapshot()

/** How long one takes, and how long of that putting the server back. */
function tell(done: number): void {
  const ms = (all: number) => `${(all / done).toFixed(0)} ms`
  process.stdout.write(
    `${done} times, ${different} of them different, ` +
      `${ms(performance.now() - startedAt)} each, ${ms(restoringMs)} of it to restore\n`,
  )
}

const startedAt = performance.now()
let restoringMs = 0
let different = 0
const first = await play(hs, alice, bob, room)
for (let i = 1; i < times; i++) {
  const restoringAt = performance.now()
  await hs.restore(save)
  restoringMs += performance.now() - restoringAt
  const log = await play(hs, alice, bob, room)
  if (!isDeepStrictEqual(log, first)) {
    different += 1
    process.stdout.write(`${JSON.stringify(first)}\n${JSON.stringify(log)}\n`)
  }
  if ((i + 1) % 100 === 0 && i + 1 < times) tell(i + 1)
}
tell(times)
await hs.stop()
if (different > 0) process.exitCode = 1
