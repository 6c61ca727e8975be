#!/usr/bin/env node
/** The front door: read the options, start everything, stop on a signal. */
import { debuglog } from 'node:util'
import { DatabaseUnavailable } from '../db/data-dir.ts'
import { banner } from './banner.ts'
import { helpText, readCommandLine, readVersion, UsageError } from './command-line.ts'
import { type Config, ConfigError } from './config.ts'
import type { RunningContext } from './context.ts'
import { CannotListen, type Listening, listen } from './http/listen.ts'
import { systemClock } from './lib/clock.ts'

/** npm passes Ctrl-C on to us, who have heard it already: that is one signal, not two. */
const echoMs = 500

async function main(): Promise<void> {
  const command = readCommandLine(process.argv.slice(2), process.env)
  if (command.run === 'help') process.stdout.write(helpText)
  else if (command.run === 'version') process.stdout.write(`${readVersion()}\n`)
  else await serve(command.config)
}

async function serve(config: Config): Promise<void> {
  // Not before: a wrong flag need not wait for all of this.
  const { createContext } = await import('./context.ts')
  const { makeApp } = await import('./http/app.ts')
  const { loadCertificate } = await import('./http/tls.ts')
  const { endpoints } = await import('./client-api/index.ts')
  const ctx = await createContext(config)
  const listening: Listening[] = []
  try {
    const app = makeApp(ctx, endpoints)
    listening.push(await listen(app, config.host, config.port))
    if (config.tls.port !== undefined) {
      const certificate = await loadCertificate(config, ctx.clock)
      listening.push(await listen(app, config.host, config.tls.port, certificate))
    }
  } catch (error) {
    await Promise.all(listening.map(one => one.close()))
    await ctx.stop()
    throw error
  }
  const [url = '', ...further] = listening.map(one => one.url)
  void ctx.db.lost.then(error => {
    fail(`the database ${ctx.db.location} was lost: ${error.message}`, 1)
  })
  stopOnSignal(ctx, listening)
  process.stdout.write(banner(readVersion(), url, ctx.db.location, config))
  for (const tlsUrl of further) process.stdout.write(`\nHourglass speaks TLS on ${tlsUrl}\n`)
  process.stdout.write(`\nHourglass is listening on ${url}\n`)
}

/** The first signal stops in good order, a second one at once. */
function stopOnSignal(ctx: RunningContext, listening: readonly Listening[]): void {
  let stoppingSince: number | undefined
  const stop = async () => {
    const closed = Promise.all(listening.map(one => one.close()))
    ctx.notifier.stop()
    await closed
    await ctx.stop()
    process.exit(0)
  }
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      const now = systemClock.now()
      if (stoppingSince === undefined) {
        stoppingSince = now
        stop().catch(error => fail(`cannot stop in good order: ${error.message}`, 1))
      } else if (now - stoppingSince > echoMs) process.exit(1)
    })
  }
}

/** One line and out: nobody who starts a server wants to read a stack. Who does sets NODE_DEBUG. */
function failed(error: unknown): void {
  debuglog('hourglass')('%O', error)
  if (error instanceof UsageError) fail(`${error.message}; see hourglass --help`, 2)
  const isExpected =
    error instanceof ConfigError ||
    error instanceof DatabaseUnavailable ||
    error instanceof CannotListen
  const { message } = error as Error
  fail(isExpected ? message : `cannot start: ${message}`, 1)
}

function fail(line: string, exitCode: number): never {
  process.stderr.write(`hourglass: ${line.replace(/\s*\n\s*/g, ' ')}\n`)
  process.exit(exitCode)
}

// Whoever was reading our banner may have gone, as `| head` does.
process.stdout.on('error', () => undefined)
main().catch(failed)
