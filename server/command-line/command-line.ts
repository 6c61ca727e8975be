/** What the person who starts the server said: flags, environment and file, as one `Config`. */
import { parseArgs } from 'node:util'
import { type Config, parseConfig, readConfigFile } from '../config.ts'
import { nearest } from '../lib/nearest.ts'
import { configSchema } from '../options/index.ts'

/** The command line cannot be understood; the message is one line. */
export class UsageError extends Error {
  /** What to type to read how it is done. */
  readonly help: string

  constructor(message: string, help = 'hourglass --help') {
    super(message)
    this.help = help
  }
}

export type Command =
  | { run: 'help' }
  | { run: 'version' }
  | { run: 'admin'; args: readonly string[] }
  | { run: 'server'; config: Config }

const flags = {
  config: { type: 'string' },
  profile: { type: 'string' },
  host: { type: 'string' },
  port: { type: 'string' },
  'server-name': { type: 'string' },
  'data-dir': { type: 'string' },
  'database-url': { type: 'string' },
  lab: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
  version: { type: 'boolean', short: 'v' },
} as const

export const helpText = `Usage: hourglass [options]
       hourglass admin COMMAND      users, rooms and delayed events, by hand; see hourglass admin --help

  --config FILE         YAML file of options; config.example.yaml describes them all
  --profile test        what test runs need, in one: open registration with a known shared secret,
                        no rate limits, cheap passwords, previews of private addresses
  --host ADDRESS        address to listen on (127.0.0.1)
  --port NUMBER         port to listen on, 0 for a free one (8008)
  --server-name NAME    what stands after the colon in user ids (localhost)
  --data-dir DIR        where the embedded database keeps its files (./data)
  --database-url URL    use this PostgreSQL (14 or later) instead; or set DATABASE_URL
  --lab                 let tests hold the clock, at /_hourglass/lab/v1
  --help                print this
  --version             print the version

A flag counts more than the environment, and that more than the file.
`

/**
 * @param args what follows the name of the program
 * @throws UsageError if the flags are wrong · ConfigError if the environment or the file is
 */
export function readCommandLine(
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): Command {
  const [first, ...rest] = args
  if (first === 'admin') return { run: 'admin', args: rest }
  const given = parseFlags(args)
  if (given.help) return { run: 'help' }
  if (given.version) return { run: 'version' }

  const fromFile = given.config === undefined ? {} : readConfigFile(given.config)
  if (given.config !== undefined) parseConfig(fromFile, given.config)
  const fromEnv = env.DATABASE_URL ? { database_url: env.DATABASE_URL } : {}
  parseConfig(fromEnv, 'DATABASE_URL')
  const fromFlags = {
    ...option('profile', '--profile', given.profile),
    ...option('host', '--host', given.host),
    ...option('port', '--port', given.port === undefined ? undefined : numberOf(given.port)),
    ...option('server_name', '--server-name', given['server-name']),
    ...option('data_dir', '--data-dir', given['data-dir']),
    ...option('database_url', '--database-url', given['database-url']),
    ...option('lab', '--lab', given.lab),
  }
  const config = parseConfig({ ...fromFile, ...fromEnv, ...fromFlags }, 'options')
  return { run: 'server', config }
}

/** What `parseArgs` says, without its advice. */
export const firstLine = (message: string): string =>
  message.split(/\.?\n|\. To specify/)[0] ?? message

function parseFlags(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options: flags, strict: true }).values
  } catch (error) {
    const { message } = error as Error
    const unknown = /^Unknown option '--([^']*)'/.exec(message)?.[1]
    if (unknown === undefined) throw new UsageError(firstLine(message))
    const suggestion = nearest(unknown, Object.keys(flags))
    throw new UsageError(
      `unknown option --${unknown}${suggestion ? ` (did you mean --${suggestion}?)` : ''}`,
    )
  }
}

/** `{ name: value }` if the flag was given and its value is one that the option may have. */
function option(name: keyof Config, flag: string, value: unknown): Record<string, unknown> {
  if (value === undefined) return {}
  const parsed = configSchema.shape[name].safeParse(value)
  if (parsed.success) return { [name]: value }
  throw new UsageError(`${flag}: ${parsed.error.issues[0]?.message}`)
}

function numberOf(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new UsageError(`--port: ${text} is not a port number`)
  return Number(text)
}
