/**
 * The known ways in which calls break, each told once: real matrix-js-sdk clients, and a server whose
 * clock stands still while they work. In a process of its own: there, and not here, the clients' time
 * is the server's. Runs what was built.
 */
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { text } from 'node:stream/consumers'
import { scenarios } from './index.ts'

interface Told {
  name: string
  checks: { what: string; held: boolean; found: string }[]
  happened: string[]
}

async function tell(...args: string[]): Promise<{ told: Told[]; exitCode: number | null }> {
  const main = new URL('../../dist/scripts/scenarios/main.js', import.meta.url)
  const child = spawn(process.execPath, [main.pathname, '--json', ...args], {
    env: {
      ...process.env,
      DATABASE_URL: process.env.HOURGLASS_TEST_DATABASE_URL,
      NODE_OPTIONS: undefined,
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const ended = new Promise<number | null>(resolve => child.once('close', resolve))
  const lines = (await text(child.stdout)).split('\n').filter(line => line.startsWith('{"name":'))
  return { told: lines.map(line => JSON.parse(line) as Told), exitCode: await ended }
}

let told: Told[]
beforeAll(async () => {
  told = (await tell('--all')).told
}, 240_000)

test.each(Object.keys(scenarios))('%s', name => {
  const { checks = [], happened = [] } = told.find(one => one.name === name) ?? {}
  expect(checks.length).toBeGreaterThan(0)
  expect({ unseen: checks.filter(({ held }) => !held), happened }).toEqual({ unseen: [], happened })
})

test('what is not seen is said, and the exit code is not 0', async () => {
  const options = JSON.stringify({ delayed_events: { cancel_policy: 'none' } })
  const { told, exitCode } = await tell('state-update-races-the-fire', '--options', options)
  const unseen = told.flatMap(({ checks }) => checks).filter(({ held }) => !held)
  expect(unseen.map(({ what }) => what)).toContain('bob a millisecond before: cancelled')
  expect(exitCode).toBe(1)
}, 60_000)

test('limits that are named are on, and leave what else a scenario asks for', async () => {
  const once = { per_second: 0.1, burst_count: 1 }
  const limits = JSON.stringify({ rate_limits: { delayed_event_management: once } })
  const [refused] = (await tell('heartbeat-stops', '--options', limits)).told
  expect(refused?.checks.find(({ what }) => what.startsWith('every heartbeat'))?.held).toBe(false)
  const joins = JSON.stringify({ rate_limits: { joins: { per_second: 1, burst_count: 1_000 } } })
  const name = 'storm-of-429-behind-one-address'
  expect((await tell(name, '--options', joins)).exitCode).toBe(0)
}, 60_000)

test.each([
  ['no such scenario', ['--all', 'nobody']],
  ['no such flag', ['--bogus']],
  ['no such option', ['heartbeat-stops', '--options', '{"nope": 1}']],
  ['options that are no JSON', ['--options', '{bad']],
])('%s: nothing is told', async (_, args) => {
  expect(await tell(...args)).toEqual({ told: [], exitCode: 2 })
})

test('server/docs/scenarios.md lists them', () => {
  const listed = readFileSync('server/docs/scenarios.md', 'utf8').matchAll(
    /^\| `([a-z0-9-]+)` \|/gm,
  )
  expect([...listed].map(([, name]) => name)).toEqual(Object.keys(scenarios))
})
