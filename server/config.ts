/**
 * Every option of the server: name, unit, default, and who needs it. config.example.yaml is
 * written from this file. A key that is not here is an error, because a typo must not pass.
 */
import { readFileSync } from 'node:fs'
import { parse as parseYaml, YAMLParseError } from 'yaml'
import { z } from 'zod'
import { logLevels } from './lib/log.ts'
import { nearest } from './lib/nearest.ts'
import { isServerName } from './matrix/ids.ts'
import { roomVersions } from './matrix/room-versions.ts'

/** Something in the options is wrong; the message is one line for the person who starts us. */
export class ConfigError extends Error {}

const durationMs = z.int().min(0)

export const configSchema = z.strictObject({
  server_name: z
    .string()
    .refine(isServerName, 'is not a Matrix server name')
    .default('localhost')
    .describe('What stands after the colon in user ids. It cannot change once there is data.'),
  host: z.string().min(1).default('127.0.0.1').describe('Address to listen on.'),
  port: z.int().min(0).max(65535).default(8008).describe('Port to listen on; 0 picks a free one.'),
  public_base_url: z
    .url()
    .optional()
    .describe(
      'The URL under which clients reach this server, for /.well-known/matrix/client. ' +
        'Default: whatever host the request was sent to.',
    ),
  data_dir: z
    .string()
    .min(1)
    .default('./data')
    .describe('Where the embedded database keeps its files. Not used with database_url.'),
  database_url: z
    .string()
    .regex(/^postgres(ql)?:\/\//, 'must begin with postgres:// or postgresql://')
    .optional()
    .describe('A PostgreSQL server (14 or later) to use instead of the embedded one.'),
  database_schema: z
    .string()
    .regex(/^[a-z_][a-z0-9_]{0,62}$/, 'must be a lower-case PostgreSQL identifier')
    .default('public')
    .describe('The PostgreSQL schema to live in, for those who share one database among servers.'),
  database_connections: z
    .int()
    .min(2)
    .max(1000)
    .default(10)
    .describe('Connections to the PostgreSQL server.'),
  log_level: z
    .enum(logLevels)
    .default('info')
    .describe(`One of ${logLevels.join(', ')}. JSON lines on standard error.`),
  max_body_bytes: z
    .int()
    .min(65536)
    .default(1_048_576)
    .describe('Largest JSON body that is read. Events have their own limit of 65536 bytes.'),
  registration: z
    .boolean()
    .default(true)
    .describe('May anybody register? Element Call and test suites register on the fly.'),
  guests: z
    .boolean()
    .default(true)
    .describe('May anybody come in without an account, as a guest? Element Web asks at its start.'),
  registration_shared_secret: z
    .string()
    .min(1)
    .optional()
    .describe(
      'Switches on /_synapse/admin/v1/register with this secret, for Complement ("complement") ' +
        'and the fixtures of Element Web and Element Call.',
    ),
  password_hash_cost: z
    .int()
    .min(1)
    .max(22)
    .default(14)
    .describe('scrypt work factor, as a power of two. Test suites take a small one, such as 4.'),
  access_token_lifetime_ms: durationMs
    .default(3_600_000)
    .describe('How long an access token lasts that comes with a refresh token. Others do not end.'),
  uia_session_lifetime_ms: durationMs
    .default(900_000)
    .describe('How long a user-interactive authentication may take.'),
  default_room_version: z
    .string()
    .refine(version => roomVersions.has(version), 'is not a room version that we know')
    .default('11')
    .describe(
      'Room version of new rooms. 12 is newest; Element Call names the creator in the power ' +
        'levels of its rooms, which version 12 forbids.',
    ),
  delayed_events: z
    .strictObject({
      max_delay_ms: durationMs
        .default(86_400_000)
        .describe(
          'Longest delay; 0 switches delayed events off. Element Call asks for an hour when its ' +
            'leave is delegated.',
        ),
      max_scheduled_per_user: z
        .int()
        .min(0)
        .default(100)
        .describe('How many events a user may have scheduled; 0 switches delayed events off.'),
      list_page_size: z
        .int()
        .min(0)
        .default(10)
        .describe('How many delayed events a page of a list holds; 0 gives all in one page.'),
      strict_shapes: z
        .boolean()
        .default(false)
        .describe(
          'Under stable paths, show a delayed event only under the names of the newest text, ' +
            'for clients that refuse members they do not know. Otherwise it has the names of ' +
            'every draft.',
        ),
    })
    .prefault({})
    .describe('MSC4140.'),
  rtc_transports: z
    .array(z.looseObject({ type: z.string() }))
    .default([])
    .describe(
      'What /rtc/transports offers to Element Call, for example ' +
        '[{ type: livekit, livekit_service_url: https://rtc.example.org/livekit/jwt }].',
    ),
})

export type Config = z.infer<typeof configSchema>

/**
 * Check options, and fill in defaults.
 *
 * @param source where they came from, for the message
 * @throws ConfigError
 */
export function parseConfig(options: unknown, source: string): Config {
  const parsed = configSchema.safeParse(options ?? {})
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  const path = (issue?.path ?? []).join('.')
  if (issue?.code === 'unrecognized_keys') {
    const known =
      path === 'delayed_events'
        ? Object.keys(configSchema.shape.delayed_events.unwrap().shape)
        : Object.keys(configSchema.shape)
    const key = issue.keys[0] ?? ''
    const suggestion = nearest(key, known)
    throw new ConfigError(
      `${source}: unknown option ${[path, key].filter(Boolean).join('.')}${suggestion ? ` (did you mean ${suggestion}?)` : ''}`,
    )
  }
  throw new ConfigError(
    path ? `${source}: ${path}: ${issue?.message}` : `${source}: ${issue?.message}`,
  )
}

/**
 * Read a YAML file of options.
 *
 * @throws ConfigError if it cannot be read or is not YAML
 */
export function readConfigFile(file: string): Record<string, unknown> {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    throw new ConfigError(`cannot read ${file}: ${(error as NodeJS.ErrnoException).code}`)
  }
  try {
    const options: unknown = parseYaml(text) ?? {}
    if (typeof options === 'object' && options !== null && !Array.isArray(options)) {
      return options as Record<string, unknown>
    }
  } catch (error) {
    const [line = ''] = error instanceof YAMLParseError ? error.message.split('\n') : []
    throw new ConfigError(`${file}: ${line.replace(/:$/, '')}`)
  }
  throw new ConfigError(`${file}: is not a list of options`)
}
