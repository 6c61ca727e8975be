/**
 * Every option of the server: name, unit, default, and who needs it. config.example.yaml is
 * written from this file. A key that is not here is an error, because a typo must not pass.
 */
import { readFileSync } from 'node:fs'
import { parse as parseYaml, YAMLParseError } from 'yaml'
import { z } from 'zod'
import { addressRanges, isAddressRange } from './lib/address-ranges.ts'
import { logLevels } from './lib/log.ts'
import { nearest } from './lib/nearest.ts'
import { isServerName } from './matrix/ids.ts'
import { roomVersions } from './matrix/room-versions.ts'
import { profileNames, withProfile } from './profiles.ts'

/** Something in the options is wrong; the message is one line for the person who starts us. */
export class ConfigError extends Error {}

const durationMs = z.int().min(0)
const ranges = z.array(z.string().refine(isAddressRange, 'is neither an IP address nor a network'))

/** So many at once, and then so many a second. */
const limit = (perSecond: number, burstCount: number) =>
  z
    .strictObject({
      per_second: z.number().min(0).max(1_000_000).default(perSecond),
      burst_count: z.int().min(1).max(1_000_000).default(burstCount),
    })
    .prefault({})
const isSpoken = z.boolean().default(true)

/** MSC4140's ways of scheduling, oldest first. */
const dialects = z.strictObject({
  expiring_events: isSpoken.describe('m.will_expire in the content (draft of 2024-05-08).'),
  futures: isSpoken.describe(
    '…/future and …/send/future/{txnId} with m.timeout and m.send_on_timeout (drafts of 2024-05).',
  ),
  future_tokens: isSpoken.describe(
    'future_timeout in the query, …/send_future/… and …/state_future/…, answered with tokens ' +
      '(drafts of 2024-06).',
  ),
  future_ids: isSpoken.describe(
    'future_timeout in the query, answered with a future_id (drafts of 2024-07).',
  ),
  stable_delay: isSpoken.describe('delay in the query (drafts of 2024-07 to 2025-10).'),
  unstable_delay: isSpoken.describe(
    'org.matrix.msc4140.delay in the query: what matrix-js-sdk, matrix-rust-sdk and Complement send.',
  ),
  delayed_event: isSpoken.describe('PUT …/delayed_event/{eventType}/{txnId}, the newest text.'),
})

const jwtAlgorithms = [
  ...(['HS256', 'HS384', 'HS512', 'RS256', 'RS384', 'RS512'] as const),
  ...(['PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA'] as const),
] as const

export const configSchema = z.strictObject({
  profile: z
    .enum(profileNames)
    .optional()
    .describe(
      'Options that are set together; those that are set here win. test: what test runs need, that ' +
        'is registration, guests, registration_shared_secret "complement", password_hash_cost 1, no ' +
        'rate_limits, url_previews of and push to private addresses, media.legacy_downloads. Not for a server ' +
        'that strangers can reach.',
    ),
  server_name: z
    .string()
    .refine(isServerName, 'is not a Matrix server name')
    .default('localhost')
    .describe('What stands after the colon in user ids. It cannot change once there is data.'),
  host: z.string().min(1).default('127.0.0.1').describe('Address to listen on.'),
  port: z.int().min(0).max(65535).default(8008).describe('Port to listen on; 0 picks a free one.'),
  tls: z
    .strictObject({
      port: z
        .int()
        .min(0)
        .max(65535)
        .optional()
        .describe(
          'Port to listen on with TLS as well, such as 8448; 0 picks a free one. Default: none. ' +
            'lk-jwt-service asks there who a user of Element Call is.',
        ),
      certificate_file: z
        .string()
        .min(1)
        .optional()
        .describe('PEM. Default: one that is made, self-signed, at the first start.'),
      key_file: z.string().min(1).optional().describe('PEM. The key of certificate_file.'),
    })
    .prefault({})
    .describe('HTTPS, for those who have no reverse proxy that does it.'),
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
    .describe(
      'Where the embedded database keeps its files, media the uploaded ones, and tls the certificate ' +
        'that it makes.',
    ),
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
  app_service_config_files: z
    .array(z.string().min(1))
    .default([])
    .describe('Registration files (YAML) of application services, as bridges write them.'),
  jwt: z
    .strictObject({
      key: z
        .string()
        .min(1)
        .optional()
        .describe(
          'Switches on org.matrix.login.jwt: the secret of HS algorithms, or the public key (PEM) of ' +
            'the others.',
        ),
      algorithms: z
        .array(z.enum(jwtAlgorithms))
        .min(1)
        .default(['HS256'])
        .describe(`Those that tokens may be signed with, of ${jwtAlgorithms.join(', ')}.`),
      issuer: z.string().min(1).optional().describe('What iss must say. Default: anything.'),
      audiences: z
        .array(z.string().min(1))
        .default([])
        .describe('One of these must stand in aud. With none, a token that has an aud is refused.'),
      subject_claim: z
        .string()
        .min(1)
        .default('sub')
        .describe('The claim with the name of the user, without @ and server name.'),
      display_name_claim: z
        .string()
        .min(1)
        .optional()
        .describe('The claim with the display name of a user who is made. Default: none.'),
    })
    .prefault({})
    .describe('Users log in by tokens that somebody else has signed; unknown ones are made.'),
  password_hash_cost: z
    .int()
    .min(1)
    .max(22)
    .default(14)
    .describe('scrypt work factor, as a power of two. Test suites take a small one, such as 4.'),
  access_token_lifetime_ms: durationMs
    .default(3_600_000)
    .describe('How long an access token lasts that comes with a refresh token. Others do not end.'),
  transaction_ids_kept_ms: durationMs
    .default(86_400_000)
    .describe(
      'How long a request that is repeated with its transaction id is answered as before and ' +
        'does nothing; 0 sets no time. Old ones are removed every hour.',
    ),
  refresh_token_lifetime_ms: durationMs
    .default(0)
    .describe('How long a refresh token lasts; 0: until it is used. Then the user logs in again.'),
  login_token_lifetime_ms: durationMs
    .default(120_000)
    .describe('How long a token of /login/get_token lasts, with which another device logs in.'),
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
      finalised_kept_ms: durationMs
        .default(604_800_000)
        .describe(
          'How long it can be looked up what became of a delayed event, and retrying what was ' +
            'done to it is answered as before; 0 sets no time. Old ones are removed every hour.',
        ),
      finalised_kept_per_user: z
        .int()
        .min(0)
        .default(1000)
        .describe(
          'How many of those a user may have; beyond, the oldest are removed, every hour. 0 sets ' +
            'no number.',
        ),
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
      cancel_policy: z
        .enum(['any', 'other_user', 'none'])
        .default('other_user')
        .describe(
          'Whose newer state event cancels what was scheduled with a delay in the query: other_user ' +
            'as Synapse and Complement of 2025 have it, any as Complement of 2024, none as the ' +
            'drafts from 2025-10.',
        ),
      dialects: dialects
        .prefault({})
        .describe(
          'In which generations of MSC4140 events may be scheduled. What asks for a delay in one ' +
            'that is switched off is refused, never sent at once.',
        ),
    })
    .prefault({})
    .describe('MSC4140.'),
  rate_limits: z
    .strictObject({
      enabled: z
        .boolean()
        .default(true)
        .describe('Complement, load tests and the like switch all of them off.'),
      messages: limit(100, 5_000).describe(
        'By user: sending events. A delayed event counts for its sender when it is sent; if that ' +
          'is too often, it is finalised with M_LIMIT_EXCEEDED.',
      ),
      delayed_event_scheduling: limit(100, 1_000).describe('By user.'),
      delayed_event_management: limit(1, 20).describe(
        'By delayed event: sending, cancelling and restarting it. Element Call restarts one every ' +
          'few seconds; its documentation asks for 1 a second and a burst of 20.',
      ),
      delayed_event_management_by_user: limit(50, 500).describe('By user, where there is a token.'),
      delayed_event_misses: limit(5, 100).describe(
        'By address: managing delayed events that do not exist. Those that exist never count by ' +
          'address, because one lk-jwt-service manages those of everybody.',
      ),
      delayed_event_lookups: limit(20, 500).describe('By user: listing them, and looking one up.'),
      rooms: limit(20, 500).describe('By user: making rooms.'),
      joins: limit(50, 1_000).describe('By user: joining, knocking, leaving, forgetting.'),
      invites: limit(50, 1_000).describe('By user.'),
      logins: limit(50, 500).describe('By address.'),
      logins_by_account: limit(5, 100).describe('By the account that is logged in to.'),
      registrations: limit(50, 1_000).describe('By address.'),
      other: limit(200, 5_000).describe(
        'By user, or by address without one: whatever else the specification marks as rate-limited.',
      ),
    })
    .prefault({})
    .describe(
      'How often something may be done: burst_count times at once, then per_second times a second. ' +
        'per_second: 0 switches a limit off. What is refused is 429 with Retry-After.',
    ),
  media: z
    .strictObject({
      dir: z
        .string()
        .min(1)
        .optional()
        .describe(
          'Where uploaded files and their thumbnails are kept. Default: media in data_dir.',
        ),
      max_upload_bytes: z
        .int()
        .min(1)
        .default(104_857_600)
        .describe('Largest file that may be uploaded.'),
      max_image_pixels: z
        .int()
        .min(1)
        .default(33_554_432)
        .describe(
          'Of larger images, all frames counted, no thumbnails are made: a small file can be a ' +
            'picture that fills the memory.',
        ),
      pending_upload_lifetime_ms: durationMs
        .min(1)
        .default(86_400_000)
        .describe('How long something can be uploaded to an id of /_matrix/media/v1/create.'),
      max_pending_uploads_per_user: z
        .int()
        .min(1)
        .default(100)
        .describe('How many such ids a user may have to which nothing has been uploaded.'),
      legacy_downloads: z
        .boolean()
        .default(true)
        .describe(
          'May files be downloaded from /_matrix/media/v3, where no token is asked for? Clients ' +
            'of before Matrix 1.11, matrix-bot-sdk and Complement do.',
        ),
    })
    .prefault({})
    .describe('Uploaded files.'),
  url_previews: z
    .strictObject({
      enabled: z.boolean().default(true).describe('May users have web pages looked at for them?'),
      allow_private_addresses: z
        .boolean()
        .default(false)
        .describe(
          'Also look at pages in private networks and on this machine, for Complement and tests: ' +
            'every user can then ask for what only this machine can reach.',
        ),
      max_bytes: z.int().min(1).default(10_485_760).describe('Largest picture that is fetched.'),
      timeout_ms: durationMs
        .min(1)
        .default(10_000)
        .describe('How long a page and its picture may take together.'),
      cached_ms: durationMs
        .default(3_600_000)
        .describe('How long a page is not asked again. Its picture is kept for a day longer.'),
    })
    .prefault({})
    .describe('Previews of web pages.'),
  server_notices: z
    .strictObject({
      localpart: z
        .string()
        .regex(/^[a-z0-9._=\-/+]{1,100}$/, 'is not the localpart of a user ID')
        .default('_server')
        .describe(
          'Who speaks: what stands before the colon in the user ID, which nobody can have.',
        ),
      display_name: z.string().min(1).max(255).default('Server notices').describe('Their name.'),
      room_name: z.string().min(1).max(255).default('Server notices').describe("The room's name."),
    })
    .prefault({})
    .describe('What administrators have the server say to a user; for Complement.'),
  push: z
    .strictObject({
      allow_private_addresses: z
        .boolean()
        .default(false)
        .describe(
          'Also notify push gateways in private networks and on this machine, for a gateway of ' +
            "one's own and for tests: every user can then have requests sent to what only this " +
            'machine can reach.',
        ),
    })
    .prefault({})
    .describe('Notifications to push gateways, which are where the clients of users say.'),
  metrics_allowed_from: ranges
    .default(['loopback'])
    .describe(
      'Who may read /metrics, for Prometheus: ranges as in trusted_proxies; none switches it off. No ' +
        'password is asked for: a proxy on this machine must not pass that path on. A request that ' +
        'says it was passed on is refused unless the proxy is trusted.',
    ),
  trusted_proxies: ranges
    .default([])
    .describe(
      'Whose X-Forwarded-For is believed where addresses count: IP addresses, networks such ' +
        'as 10.0.0.0/8, or loopback, linklocal, uniquelocal.',
    ),
  lab: z
    .boolean()
    .default(false)
    .describe(
      'Switches on /_hourglass/lab/v1, with which a test moves the clock, empties the server and ' +
        'more: server/docs/laboratory.md. For tests only.',
    ),
  lab_token: z
    .string()
    .min(1)
    .optional()
    .describe('What lab requests must bear as their token. Without it, host must be a loopback.'),
  rtc_transports: z
    .array(z.looseObject({ type: z.string() }))
    .default([])
    .describe(
      'What /rtc/transports offers to Element Call, for example ' +
        '[{ type: livekit, livekit_service_url: https://rtc.example.org/livekit/jwt }].',
    ),
})

/**
 * What no option can tell by itself: whoever may reach the laboratory may do anything.
 *
 * @throws ConfigError
 */
export function checkLab({ lab, lab_token: token, host }: Config): void {
  if (!lab || token !== undefined) return
  if (host === 'localhost' || addressRanges(['loopback']).has(host)) return
  throw new ConfigError(`lab: ${host} can be reached from elsewhere: set lab_token`)
}

export type Config = z.infer<typeof configSchema>
/** One of the limits on how often something may be done. */
export type LimitName = Exclude<keyof Config['rate_limits'], 'enabled'>

/**
 * Check options, and fill in those of the profile, then defaults.
 *
 * @param source where they came from, for the message
 * @throws ConfigError
 */
export function parseConfig(options: unknown, source: string): Config {
  const parsed = configSchema.safeParse(withProfile(options ?? {}))
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  const path = (issue?.path ?? []).join('.')
  if (issue?.code === 'unrecognized_keys') {
    const key = issue.keys[0] ?? ''
    const suggestion = nearest(key, optionsAt(issue.path))
    throw new ConfigError(
      `${source}: unknown option ${[path, key].filter(Boolean).join('.')}${suggestion ? ` (did you mean ${suggestion}?)` : ''}`,
    )
  }
  throw new ConfigError(
    path ? `${source}: ${path}: ${issue?.message}` : `${source}: ${issue?.message}`,
  )
}

/** The names of the options at a place in the config. */
function optionsAt(path: readonly PropertyKey[]): string[] {
  let schema: z.ZodType = configSchema
  for (const key of path) {
    if (schema instanceof z.ZodPrefault) schema = schema.unwrap() as z.ZodType
    if (schema instanceof z.ZodObject) schema = schema.shape[String(key)] as z.ZodType
  }
  if (schema instanceof z.ZodPrefault) schema = schema.unwrap() as z.ZodType
  return schema instanceof z.ZodObject ? Object.keys(schema.shape) : []
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
