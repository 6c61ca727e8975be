/**
 * `npm run demo`: start the server, let two real clients have a call, kill one of them, and see the
 * server take it out of the call.
 */
import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { readOptions } from '../options.ts'
import { runDeadMansSwitch } from './dead-mans-switch.ts'

const usage = `
npm run demo: two real clients in a call, of which one dies; on the embedded database, or with
DATABASE_URL on that PostgreSQL

Exits with 0 only if the server kept every promise.
`
readOptions(usage, {})
const startWithinMs = 60_000
const stopWithinMs = 10_000

const startedAt = Date.now()
const dataDir = mkdtempSync(join(tmpdir(), 'hourglass-demo-'))
const server = startServer()
process.once('exit', () => {
  server.kill('SIGKILL')
  rmSync(dataDir, { recursive: true, force: true })
})
process.once('SIGINT', () => process.exit(130))
process.once('SIGTERM', () => process.exit(143))

try {
  const baseUrl = await listening()
  say(`the server is listening on ${baseUrl}`)
  const { ok, checks } = await runDeadMansSwitch({ baseUrl, log: say, lateByAtMostMs: 1_000 })
  print('')
  for (const { what, held, found } of checks) print(`  ${held ? '✓' : '✗'} ${what}: ${found}`)
  print('')
  await stop()
  say('the server has stopped')
  print(ok ? '\nEvery promise was kept.' : '\nNot every promise was kept.')
  process.exit(ok ? 0 : 1)
} catch (error) {
  print(`\nThe demo broke off: ${error instanceof Error ? error.message : error}`)
  process.exit(1)
}

function startServer(): ChildProcessByStdio<null, Readable, Readable> {
  const main = fileURLToPath(new URL('../../bundle/main.js', import.meta.url))
  const databaseUrl = process.env.DATABASE_URL
  const database = databaseUrl ? ['--database-url', databaseUrl] : []
  return spawn(process.execPath, [main, '--port', '0', '--data-dir', dataDir, ...database], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
}

/** Wait until the server says where it listens. Its further lines go nowhere. */
function listening(): Promise<string> {
  return new Promise((resolve, reject) => {
    createInterface(server.stdout).on('line', line => {
      const address = /Hourglass is listening on (http:\S+)/.exec(line)?.[1]
      if (address) resolve(address)
    })
    let complaints = ''
    server.stderr.on('data', chunk => {
      complaints = `${complaints}${chunk}`.slice(-2_000)
    })
    server.once('close', code => reject(new Error(`the server ended (${code})\n${complaints}`)))
    const giveUp = () => reject(new Error(`the server took more than ${startWithinMs} ms to start`))
    setTimeout(giveUp, startWithinMs).unref()
  })
}

/** @throws if the server does not end by itself, and well, within its time */
async function stop(): Promise<void> {
  const closed = once(server, 'close', { signal: AbortSignal.timeout(stopWithinMs) })
  server.kill('SIGTERM')
  const [code] = await closed
  if (code !== 0) throw new Error(`the server ended with ${code}`)
}

function say(line: string): void {
  print(`${((Date.now() - startedAt) / 1_000).toFixed(1).padStart(5)} s  ${line}`)
}

function print(line: string): void {
  process.stdout.write(`${line}\n`)
}
