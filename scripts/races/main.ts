/**
 * `npm run races`: every pair of {send, cancel, restart, fire, state update} at the same delayed
 * event at the same moment, on the PostgreSQL of DATABASE_URL; without it, on PGlite, where
 * statements take turns.
 */
import { randomInt } from 'node:crypto'
import * as testing from '../../server/testing/ours.ts'
import { startServer } from '../../spec-tests/support/server.ts'
import { readCount, readOptions, readSeed } from '../options.ts'
import { seeded } from '../torture/random.ts'
import { heat, makeRooms, newTally, pairs, type Tally } from './contests.ts'

const rooms = 4
const perRoom = 5

const usage = `
npm run races -- [options]: every pair of {send, cancel, restart, fire, state update} at the same
delayed event at the same moment, on the PostgreSQL of DATABASE_URL, or on PGlite

  --rounds N   contests of each pair, 1000 unless given
  --seed N     of who starts first; printed

Exits with 0 only if every contest had one outcome and everybody was told the truth.
`
const { values } = readOptions(usage, {
  options: {
    rounds: { type: 'string', default: '1000' },
    seed: { type: 'string', default: String(randomInt(2 ** 31)) },
  },
})
const rounds = readCount('rounds', values.rounds)
const random = seeded(readSeed(values.seed))
const url = process.env.DATABASE_URL
if (url) process.env.HOURGLASS_TEST_DATABASE_URL = url

const log = (line: string) => void process.stdout.write(`${line}\n`)
log(`${rounds} contests of each pair on ${url ? 'PostgreSQL' : 'PGlite'}, seed ${values.seed}\n`)
log('| pair              | contests |  sent | cancelled |  done | too late | broken |')
log('|-------------------|---------:|------:|----------:|------:|---------:|-------:|')

// Where jest is, its environment does this.
globalThis.hourglass = testing
const server = await startServer({ realTime: true })
const tallies: Tally[] = []
try {
  const places = await makeRooms(server, rooms)
  for (const pair of pairs) {
    const tally = newTally(pair)
    tallies.push(tally)
    while (tally.contests < rounds) await heat(server, places, perRoom, tally, random)
    log(rowOf(tally))
  }
} finally {
  await server.stop()
  await testing.stopSharedDatabase()
}

const breaches = tallies.flatMap(tally => tally.breaches)
for (const { kind, text } of breaches.slice(0, 20)) log(`${kind}: ${text}`)
log(breaches.length === 0 ? '\nall held' : `\nBROKEN: ${breaches.length}`)
process.exitCode = breaches.length === 0 ? 0 : 1

function rowOf({ pair, contests, sent, cancelled, done, late, breaches: broken }: Tally): string {
  const cells = [
    pair.join(' + ').padEnd(17),
    String(contests).padStart(8),
    String(sent).padStart(5),
    String(cancelled).padStart(9),
    String(done).padStart(5),
    String(late).padStart(8),
    String(broken.length).padStart(6),
  ]
  return `| ${cells.join(' | ')} |`
}
