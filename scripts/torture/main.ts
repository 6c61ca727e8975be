/**
 * `npm run torture`: does a delayed event become one event whatever happens to the server? Server
 * processes on a real database are killed at every step of what they do, and at random.
 */
import { randomInt } from 'node:crypto'
import { readCount, readEngine, readOptions, readSeed, refuse } from '../options.ts'
import { type Options, type Result, torture } from './run.ts'
import { sabotages } from './sabotages.ts'

const log = (line: string) => void process.stdout.write(`${line}\n`)

const usage = `
npm run torture -- [options]: kills server processes at every step of what they do, and at random

  --kills N         1000 unless given
  --engine ENGINE   pglite, or postgres, which needs DATABASE_URL; unless given, what is there
  --seed N          of the load and the random kills; printed, so that a run can be repeated
  --self-test       instead, breaks the server in known ways, and sees whether that is reported
  --sabotage NAME   one of those ways; may be repeated: ${Object.keys(sabotages).join(', ')}

Exits with 0 only if everything held.
`

function optionsGiven(): Options & { ways: string[] } {
  const { values } = readOptions(usage, {
    options: {
      kills: { type: 'string', default: '1000' },
      engine: { type: 'string' },
      seed: { type: 'string', default: String(randomInt(2 ** 31)) },
      'self-test': { type: 'boolean', default: false },
      sabotage: { type: 'string', multiple: true, default: Object.keys(sabotages) },
    },
  })
  const databaseUrl = process.env.DATABASE_URL
  const engine = readEngine(values.engine ?? (databaseUrl ? 'postgres' : 'pglite'))
  const kills = readCount('kills', values.kills)
  const seed = readSeed(values.seed)
  return { engine, databaseUrl, kills, seed, log, ways: values['self-test'] ? values.sabotage : [] }
}

async function run(options: Options): Promise<boolean> {
  log(`${options.kills} kills on ${options.engine}, seed ${options.seed}`)
  const result = await torture(options)
  log(report(result))
  return result.breaches.length === 0 && result.missed.length === 0
}

function report(result: Result): string {
  const kinds = new Map<string, number>()
  for (const { kind } of result.breaches) kinds.set(kind, (kinds.get(kind) ?? 0) + 1)
  return [
    `killed ${result.kills} times; ${result.steps} enumerated`,
    `scheduled ${result.scheduled}, events ${result.sent}`,
    `requests answered ${result.answers}, cut off ${result.unanswered}`,
    ...result.missed.map(step => `never reached: ${step}`),
    ...[...kinds].map(([kind, count]) => `${kind}: ${count}`),
    result.breaches.length === 0 ? 'all held' : `BROKEN: ${result.breaches.length}`,
  ].join('\n')
}

async function selfTest(options: Options, ways: readonly string[]): Promise<boolean> {
  const chosen = ways.map(sabotage => ({
    sabotage,
    ...(sabotages[sabotage] ?? refuse(`--sabotage: there is no ${sabotage}`)),
  }))
  let held = true
  for (const { sabotage, what, expected } of chosen) {
    const { breaches } = await torture({ ...options, sabotage, log: () => undefined })
    const found = breaches.filter(({ kind }) => kind === expected)
    held &&= found.length > 0
    log(`${what}: ${found[0] ? `reported as ${expected}: ${found[0].text}` : 'NOT REPORTED'}`)
  }
  return held
}

const { ways, ...options } = optionsGiven()
const held = ways.length > 0 ? await selfTest(options, ways) : await run(options)
process.exitCode = held ? 0 : 1
