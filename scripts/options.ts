/** What a script is told on its command line. */
import { type ParseArgsConfig, parseArgs } from 'node:util'

/** End here, with 2: what was asked for makes no sense. */
export function refuse(message: string): never {
  process.stderr.write(`${message}\n`)
  process.exit(2)
}

/**
 * The options of a script, and `--help`, which says what there is and ends. What is no option of it is
 * refused.
 *
 * @param usage as it is shown: the options, and what the script says by the way in which it exits
 */
export function readOptions<T extends ParseArgsConfig>(
  usage: string,
  config: T,
): ReturnType<typeof parseArgs<T>> {
  const help = { type: 'boolean' } as const
  try {
    const { values } = parseArgs({ ...config, options: { ...config.options, help } })
    if ('help' in values) {
      process.stdout.write(`${usage.trim()}\n`)
      process.exit(0)
    }
    return parseArgs(config)
  } catch (error) {
    refuse((error as Error).message)
  }
}

/** @param name of the option */
export function readCount(name: string, value: string): number {
  const count = Number(value)
  if (!Number.isInteger(count) || count < 1) refuse(`--${name}: ${value} is no number of them`)
  return count
}

/** What is random, again. */
export function readSeed(value: string): number {
  const seed = Number(value)
  if (!Number.isInteger(seed)) refuse(`--seed: ${value} is no whole number`)
  return seed
}

/** PostgreSQL is the one at DATABASE_URL, and has to be there. */
export function readEngine(value: string): 'pglite' | 'postgres' {
  if (value !== 'pglite' && value !== 'postgres') {
    refuse(`--engine: pglite or postgres, and not ${value}`)
  }
  if (value === 'postgres' && !process.env.DATABASE_URL) refuse('DATABASE_URL is not set')
  return value
}
