/** What this server is, and what it can do. Spec: "Server Discovery", "Capabilities negotiation" */
import { selectUser } from '../../db/accounts.ts'
import type { Context } from '../context.ts'
import { TextAnswer } from '../http/answer.ts'
import { endpoint } from '../http/endpoint.ts'
import type { JsonObject } from '../lib/json.ts'
import { version } from '../lib/version.ts'
import { notFound } from '../matrix/errors.ts'
import { roomVersions } from '../matrix/room-versions.ts'
import { type Dialect, isDelaying, speaks } from './delayed-events/dialects.ts'

const server = { name: 'Hourglass', version }

/** All of them: matrix-js-sdk looks for one between v1.1 and v1.13 by name. */
const versions = [
  'r0.6.1',
  ...['v1.1', 'v1.2', 'v1.3', 'v1.4', 'v1.5', 'v1.6'],
  ...['v1.7', 'v1.8', 'v1.9', 'v1.10', 'v1.11', 'v1.12'],
]

/** Whatever stands in the options; it came out of YAML, so it is JSON. */
const transportsOf = ({ config }: Context) => config.rtc_transports as JsonObject[]

const getWellKnown = endpoint({
  method: 'GET',
  path: '/.well-known/matrix/client',
  spec: 'client-server-api/#getwell-knownmatrixclient',
  auth: 'none',
  handle({ ctx, request }) {
    const asked = request.headers.host ?? ''
    // A header may hold anything, and the address must be one.
    const host = /^[\w.:[\]-]+$/.test(asked) ? asked : `${ctx.config.host}:${ctx.config.port}`
    return {
      'm.homeserver': { base_url: ctx.config.public_base_url ?? `${request.protocol}://${host}` },
      // MSC4143: matrix-rust-sdk and older releases of Element Call find their media server here.
      'org.matrix.msc4143.rtc_foci': transportsOf(ctx),
    }
  },
})

const getWellKnownServer = endpoint({
  method: 'GET',
  path: '/.well-known/matrix/server',
  spec: 'server-server-api/#getwell-knownmatrixserver',
  auth: 'none',
  handle({ ctx }) {
    const authority = authorityOf(ctx)
    if (authority === undefined) throw notFound('This server is not reachable over TLS')
    return { 'm.server': authority }
  },
})

const getSupport = endpoint({
  method: 'GET',
  path: '/.well-known/matrix/support',
  spec: 'client-server-api/#getwell-knownmatrixsupport',
  auth: 'none',
  handle({ ctx }) {
    const { contacts, support_page } = ctx.config.support
    if (contacts.length === 0 && support_page === undefined) {
      throw notFound('Nobody has been named')
    }
    return {
      ...(contacts.length > 0 && { contacts }),
      ...(support_page !== undefined && { support_page }),
    } as JsonObject
  },
})

/** Where other servers, and lk-jwt-service, find us over TLS: behind the proxy, or at our own port. */
function authorityOf({ config }: Context): string | undefined {
  const publicUrl = new URL(config.public_base_url ?? 'http://none')
  if (publicUrl.protocol === 'https:') return `${publicUrl.hostname}:${publicUrl.port || 443}`
  const hostname = config.server_name.replace(/:\d+$/, '')
  return config.tls.port ? `${hostname}:${config.tls.port}` : undefined
}

// No authentication at all: clients come with a stale token to find out whether it is one.
const getVersions = endpoint({
  method: 'GET',
  path: '/_matrix/client/versions',
  spec: 'client-server-api/#get_matrixclientversions',
  auth: 'none',
  handle: ({ ctx }) => ({
    versions,
    unstable_features: {
      // Element Web offers to set up encryption only where it finds this.
      'org.matrix.e2e_cross_signing': true,
      'org.matrix.msc3814': true,
      // What it makes clients do is to send a delay in the query, under its unstable name.
      'org.matrix.msc4140': speaks('unstable_delay')(ctx.config),
      'org.matrix.msc4140.stable': speaks('delayed_event')(ctx.config),
      'org.matrix.msc3266': true,
      'org.matrix.msc4143': true,
      'org.matrix.msc4155': true,
      // Element Web lets its user refuse all invites where it finds this.
      'org.matrix.msc4380.stable': true,
      'org.matrix.msc4222': true,
      'org.matrix.msc4306': true,
      // Element Call keeps its memberships in sticky events where it finds this.
      'org.matrix.msc4354': true,
      'org.matrix.simplified_msc3575': true,
      'org.matrix.msc4486': isDelaying(ctx.config),
      // Private receipts; threaded receipts and counts; mentions; profile fields.
      'org.matrix.msc2285.stable': true,
      'org.matrix.msc3771': true,
      'org.matrix.msc3773': true,
      'org.matrix.msc3952_intentional_mentions': true,
      // matrix-js-sdk asks for mutual rooms where it finds the first.
      'uk.half-shot.msc2666.query_mutual_rooms': true,
      'uk.half-shot.msc2666.query_mutual_rooms.stable': true,
      'uk.timedout.msc4323': true,
      'uk.tcpip.msc4133': true,
      'uk.tcpip.msc4133.stable': true,
    },
    server,
  }),
})

const getCapabilities = endpoint({
  method: 'GET',
  path: '/_matrix/client/v3/capabilities',
  spec: 'client-server-api/#get_matrixclientv3capabilities',
  auth: 'user',
  async handle({ ctx, requester }) {
    const user = await selectUser(ctx.db, requester.userId)
    // Both ask for it.
    const ifPassword = { enabled: Boolean(user?.password_hash) }
    const { max_delay_ms, max_scheduled_per_user } = ctx.config.delayed_events
    // MSC4140: always there, because its clients read absence as "not supported"; 0 says so too,
    // and one 0 is enough to switch them off.
    const limitsOf = (...dialects: Dialect[]) =>
      speaks(...dialects)(ctx.config)
        ? { max_delay_ms, max_scheduled: max_scheduled_per_user }
        : { max_delay_ms: 0, max_scheduled: 0 }
    return {
      capabilities: {
        'm.room_versions': {
          default: ctx.config.default_room_version,
          available: Object.fromEntries(
            [...roomVersions.values()].map(({ id, isStable }) => [
              id,
              isStable ? 'stable' : 'unstable',
            ]),
          ),
        },
        'm.change_password': ifPassword,
        'm.set_displayname': { enabled: true },
        'm.set_avatar_url': { enabled: true },
        // Not under its unstable name, too: ruma refuses the whole answer if there are both.
        'm.profile_fields': { enabled: true },
        'm.3pid_changes': { enabled: false },
        'm.get_login_token': ifPassword,
        ...(requester.isAdmin && { 'm.account_moderation': { suspend: true, lock: true } }),
        'm.delayed_events': limitsOf('delayed_event'),
        'org.matrix.msc4140.delayed_events': limitsOf(
          'delayed_event',
          'stable_delay',
          'unstable_delay',
        ),
      },
    }
  },
})

const getRtcTransports = endpoint({
  method: 'GET',
  path: [
    '/_matrix/client/v1/rtc/transports',
    '/_matrix/client/unstable/org.matrix.msc4143/rtc/transports',
  ],
  spec: 'MSC4143',
  auth: 'user',
  handle: ({ ctx }) => ({ rtc_transports: transportsOf(ctx) }),
})

const getHealth = endpoint({
  method: 'GET',
  path: '/health',
  spec: 'none; the containers of Element Web wait for it',
  auth: 'none',
  handle: () => new TextAnswer('OK'),
})

const getFederationVersion = endpoint({
  method: 'GET',
  path: '/_matrix/federation/v1/version',
  spec: 'server-server-api/#get_matrixfederationv1version',
  auth: 'none',
  handle: () => ({ server }),
})

export const discoveryEndpoints = [
  getWellKnown,
  getWellKnownServer,
  getSupport,
  getVersions,
  getCapabilities,
  getRtcTransports,
  getHealth,
  getFederationVersion,
]
