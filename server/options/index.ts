/**
 * Every option of the server: name, unit, default, and who needs it. config.example.yaml is
 * written from here.
 */
import { z } from 'zod'
import { logLevels } from '../lib/log.ts'
import { isServerName } from '../matrix/ids.ts'
import { roomVersions } from '../matrix/room-versions.ts'
import { delayedEvents } from './delayed-events.ts'
import { jwt } from './jwt.ts'
import { durationMs, ranges } from './kinds.ts'
import { media, urlPreviews } from './media.ts'
import { profileNames } from './profiles.ts'
import { rateLimits } from './rate-limits.ts'
import { support } from './support.ts'
import { turn } from './turn.ts'

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
    .url({ protocol: /^https?$/, error: 'must begin with http:// or https://' })
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
  jwt,
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
  delayed_events: delayedEvents,
  rate_limits: rateLimits,
  media,
  url_previews: urlPreviews,
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
  turn,
  support,
})
