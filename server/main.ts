#!/usr/bin/env node
/** The front door: read the options, start everything, stop on a signal. */
import { debuglog } from 'node:util'
import { DatabaseUnavailable } from '../db/database.ts'
import { AdminError } from './command-line/admin-client.ts'
import { banner, localUrl } from './command-line/banner.ts'
import { helpText, readCommandLine, UsageError } from './command-line/command-line.ts'
import { type Config, ConfigError, checkLab, databaseOptions } from './config.ts'
import { CannotListen } from './http/listen.ts'
import { systemClock } from './lib/clock.ts'
import { version } from './lib/version.ts'

/** npm passes Ctrl-C on to us, who have heard it already: that is one signal, not two. */
const echoMs = 500

async function main(): Promise<void> {
  const command = readCommandLine(process.argv.slice(2), process.env)
  if (command.run === 'help') process.stdout.write(helpText)
  else if (command.run === 'admin') {
    const { runAdmin } = await import('./command-line/admin-command.ts')
    process.stdout.write(await runAdmin(command.args, process.env))
  } else if (command.run === 'version') process.stdout.write(`${version}\n`)
  else await serve(command.config)
}

async function serve(config: Config): Promise<void> {
  checkLab(config)
  // Until we serve nobody there is nothing to put in order. As the first process of a container we
  // would not be ended by a signal that we do not listen for.
  let inGoodOrder = async () => {}
  endOnSignal(() => inGoodOrder())
  // Not before: a wrong flag need not wait for all of this.
  const { openDatabase } = await import('../db/open.ts')
  const { trustTransactions } = await import('../db/transaction.ts')
  trustTransactions()
  // PostgreSQL starts in its own thread while the rest is being loaded here.
  const opening = openDatabase(databaseOptions(config))
  opening.catch(() => undefined)
  const { Serving } = await import('./serving.ts')
  const { Operator } = await import('./accounts/operator.ts')
  const operator = new Operator()
  const given = config.lab ? await laboratory() : {}
  const serving = await Serving.start(config, { ...given, operator }, { opening })
  inGoodOrder = async () => {
    await operator.withdraw(config.data_dir)
    await serving.stop()
  }
  const { db } = serving.context
  const [url = '', ...further] = serving.urls
  void db.lost.then(error => {
    fail(`the database ${db.location} was lost: ${error.message}`, 1)
  })
  await operator.announce(config, localUrl(url))
  process.stdout.write(banner(version, url, db.location, config))
  for (const tlsUrl of further) process.stdout.write(`\nHourglass speaks TLS on ${tlsUrl}\n`)
  process.stdout.write(`\nHourglass is listening on ${url}\n`)
}

/** Its clock goes as the machine's until somebody takes it in hand. */
async function laboratory() {
  const { Lab } = await import('./lab/lab.ts')
  const { labClock } = await import('./lib/lab-clock.ts')
  const clock = labClock(systemClock.now(), 1)
  return { clock, lab: new Lab(clock) }
}

/** The first signal ends in good order, a second one at once. */
function endOnSignal(inGoodOrder: () => Promise<void>): void {
  let stoppingSince: number | undefined
  const stop = async () => {
    await inGoodOrder()
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
  if (error instanceof UsageError) fail(`${error.message}; see ${error.help}`, 2)
  if (error instanceof AdminError) fail(error.message, 1)
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
