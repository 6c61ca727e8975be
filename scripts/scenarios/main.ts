/**
 * `npm run scenario -- heartbeat-stops`: tell it, with the time of the server, and check what must be
 * seen.
 */
import { mergeOptions, type Options } from '../../server/options/profiles.ts'
import { Homeserver, stopSharedDatabase } from '../../server/testing/ours.ts'
import { readOptions, refuse } from '../options.ts'
import { scenarios } from './index.ts'
import type { Scenario } from './scenario.ts'
import { type Check, World } from './world.ts'

const print = (line: string) => void process.stdout.write(`${line}\n`)
const usage = `
npm run scenario -- [options] [NAME...]: ways in which calls break, told one after the other, on the
embedded database, or with DATABASE_URL in a schema of its own on that PostgreSQL; without a name,
lists them

  --all            every scenario
  --json           a line of JSON for each: name, checks, and what happened
  --options JSON   options of the server as in the config file, to see what becomes of a call with
                   them: '{"rate_limits": ...}'

Exits with 0 only if everything was seen.
`
const { values, positionals } = readOptions(usage, {
  options: {
    all: { type: 'boolean' },
    json: { type: 'boolean' },
    options: { type: 'string', default: '{}' },
  },
  allowPositionals: true,
})
const options = (() => {
  try {
    const given = JSON.parse(values.options) as Options
    // Whoever names limits wants them: these servers have none otherwise.
    const limits: Options = given.rate_limits ? { rate_limits: { enabled: true } } : {}
    return mergeOptions(limits, given)
  } catch (error) {
    return refuse(`--options: ${(error as Error).message}`)
  }
})()

// The SDK logs to the console, at length.
const drop = () => undefined
Object.assign(console, { log: drop, trace: drop, debug: drop, info: drop, warn: drop, error: drop })

async function tell(name: string, scenario: Scenario): Promise<Check[]> {
  const lines: string[] = []
  const say = values.json ? (line: string) => void lines.push(line) : print
  say(`\n${name}\n  ${scenario.story}\n  Must be seen: ${scenario.mustSee}\n`)
  const server = await Homeserver.start({
    config: mergeOptions({ log_level: 'fatal', ...scenario.config }, options),
    databaseUrl: process.env.DATABASE_URL,
  }).catch((error: Error) => refuse(error.message))
  const world = new World(server, say)
  try {
    await scenario.run(world)
  } catch (error) {
    const found = error instanceof Error ? (error.stack ?? error.message) : String(error)
    world.checks.push({ what: 'it can be told to the end', held: false, found })
    say(`         ✗ ${found}`)
  } finally {
    await world.end()
  }
  if (values.json) print(JSON.stringify({ name, checks: world.checks, happened: lines }))
  return world.checks
}

const names = values.all ? Object.keys(scenarios) : positionals
const unknown = positionals.filter(name => !Object.hasOwn(scenarios, name))
if (unknown.length > 0 || names.length === 0) {
  for (const name of unknown) print(`there is no scenario ${name}`)
  for (const [name, { story }] of Object.entries(scenarios)) print(`${name}\n  ${story}`)
  process.exit(names.length === 0 ? 0 : 2)
}
const checks: Check[] = []
for (const name of names) {
  const scenario = scenarios[name]
  if (scenario) checks.push(...(await tell(name, scenario)))
}
await stopSharedDatabase()
const broken = checks.filter(({ held }) => !held).length
if (!values.json) print(`\n${checks.length - broken} of ${checks.length} were seen`)
process.exit(broken > 0 ? 1 : 0)
