/** For every endpoint a request that is in order, to be spoilt in one place by a test. */
import type { Client } from './client.ts'
import { picture } from './pictures.ts'
import type { RawRequest } from './raw-http.ts'
import type { allEndpoints, TestServer } from './server.ts'
import type { JsonObject } from './wire.ts'

export type EndpointUnderTest = ReturnType<typeof allEndpoints>[number]

const enc = encodeURIComponent
const base = '/_matrix/client'

const backup = { algorithm: 'm.megolm_backup.v1.curve25519-aes-sha2', auth_data: {} }
const backedUpKey = {
  first_message_index: 0,
  forwarded_count: 0,
  is_verified: true,
  session_data: {},
}

/** A user with a little of everything, so that requests get past the first look. */
export class GoodRequests {
  readonly #server: TestServer
  readonly #alice: Client
  #bob: Client
  #ids: Record<string, string> = {}
  #count = 0

  static async make(server: TestServer): Promise<GoodRequests> {
    // An administrator, so that requests of theirs get past the first look, too.
    const good = new GoodRequests(server, await server.admin('alice'), await server.user('bob'))
    await good.repair()
    return good
  }

  private constructor(server: TestServer, alice: Client, bob: Client) {
    this.#server = server
    this.#alice = alice
    this.#bob = bob
  }

  get token(): string | undefined {
    return this.#alice.token
  }

  /** After a request that may have ended the session. */
  async logInAgain(): Promise<void> {
    const who = await this.#alice.request('GET', `${base}/v3/account/whoami`)
    if (who.status === 401) await this.#alice.login({ device_id: this.#alice.deviceId })
  }

  /** After requests that may have ended anything. */
  async repair(): Promise<void> {
    await this.logInAgain()
    const { roomId = '!none:hs1', roomAlias = '#none:hs1' } = this.#ids
    const members = await this.#alice.request('GET', this.#alice.roomPath(roomId, 'joined_members'))
    const alias = await this.#alice.request('GET', `${base}/v3/directory/room/${enc(roomAlias)}`)
    const power = await this.#alice.request(
      'PUT',
      this.#alice.roomPath(roomId, 'state', 'm.room.power_levels', 'x'),
      { body: {} },
    )
    const isFull = this.#bob.userId in (members.body.joined ?? {})
    const isWhole = isFull && alias.status === 200 && power.status === 200
    if (!isWhole) this.#ids = await this.#makeRoom()
    await this.#repairDelayedEvents()
    await this.#repairBackup()
  }

  /** One that is scheduled, and room for more. */
  async #repairDelayedEvents(): Promise<void> {
    const alice = this.#alice
    const others = await alice.scheduled()
    for (const { delay_id } of others) {
      if (delay_id !== this.#ids.delayId) await alice.manage(String(delay_id), 'cancel')
    }
    if (others.some(({ delay_id }) => delay_id === this.#ids.delayId)) return
    const delayId = await alice.delay(this.#ids.roomId ?? '', 86_400_000, 'm.test', {})
    this.#ids = { ...this.#ids, delayId, token: delayId, futureId: delayId }
  }

  /** A key backup, to which keys can be added. */
  async #repairBackup(): Promise<void> {
    const path = `${base}/v3/room_keys/version`
    const { status, body } = await this.#alice.request('GET', path)
    const made = status === 200 ? body : await this.#alice.ok('POST', path, { body: backup })
    this.#ids.version = String(made.version)
  }

  async #makeRoom(): Promise<Record<string, string>> {
    this.#count += 1
    const alice = this.#alice
    const name = `hostile${this.#count}`
    const roomId = await alice.createRoom({ preset: 'public_chat', room_alias_name: name })
    // An administrator may have closed the account.
    const { status } = await this.#bob.request('GET', `${base}/v3/account/whoami`)
    if (status === 401) this.#bob = await this.#server.user('bob')
    await this.#bob.join(roomId)
    const filterPath = `${base}/v3/user/${enc(alice.userId)}/filter`
    const { filter_id } = await alice.ok('POST', filterPath, { body: {} })
    return {
      roomId,
      roomIdOrAlias: roomId,
      roomAlias: `#${name}:hs1`,
      userId: alice.userId,
      eventId: await alice.say(roomId, 'hello'),
      filterId: filter_id,
      deviceId: alice.deviceId,
      serverName: 'hs1',
      mediaId: await alice.upload(picture(2, 2), { contentType: 'image/png' }),
      eventType: 'm.test',
      type: 'm.test',
      stateKey: '',
      keyName: 'm.test',
      receiptType: 'm.read',
      tag: 'u.test',
      kind: 'override',
      ruleId: '.m.rule.reaction',
    }
  }

  /** The names of the parameters in an endpoint's path. */
  static parametersOf(path: string): string[] {
    return [...path.matchAll(/:(\w+)/g)].map(match => match[1] ?? '')
  }

  /** The path, filled in; `spoilt` segments go in as they are. */
  path(template: string, spoilt: Record<string, string> = {}): string {
    const ids = { ...this.#administered(template), ...spoilt }
    return template
      .replace(/[{}]/g, '')
      .replace(/:(\w+)/g, (_, name: string) => ids[name] ?? enc(this.#idFor(name)))
  }

  /** Whom administrators do something to: somebody else, and no room that is needed. */
  #administered(template: string): Record<string, string> {
    if (/\/admin\/(lock|suspend)\//.test(template)) return { userId: enc(this.#bob.userId) }
    if (!template.startsWith('/_synapse/admin')) return {}
    if (template.includes('/deactivate/')) return { userId: enc('@nobody:hs1') }
    const isGentle = !/\/rooms\/:roomId(\/block)?$/.test(template)
    return { userId: enc(this.#bob.userId), ...(isGentle ? {} : { roomId: enc('!none:hs1') }) }
  }

  #idFor(name: string): string {
    this.#count += 1
    return this.#ids[name] ?? `x${this.#count}`
  }

  /** What an endpoint wants to have in its body. */
  body(template: string): JsonObject {
    this.#count += 1
    const last = template.split('/').at(-1) ?? ''
    if (template.endsWith('/directory/room/:roomAlias')) {
      return { room_id: this.#idFor('roomId') }
    }
    if (template.includes('/reset_password/')) return { new_password: 'x', logout_devices: false }
    if (template.includes('/admin/v1/rooms/')) return { block: true }
    if (template.includes('/admin/lock/')) return { locked: false }
    if (template.includes('/admin/suspend/')) return { suspended: false }
    if (template.endsWith('/admin')) return { admin: false }
    if (template.includes('/send_server_notice')) {
      return { user_id: this.#bob.userId, content: { msgtype: 'm.text', body: 'hello' } }
    }
    if (last === 'upgrade') return { new_version: '11' }
    if (template.endsWith('/login')) {
      const identifier = { type: 'm.id.user', user: 'nobody' }
      return { type: 'm.login.password', identifier, password: 'wrong' }
    }
    if (template.endsWith('/v3/register')) {
      return { auth: { type: 'm.login.dummy' }, username: `u${this.#count}`, password: 'x' }
    }
    if (template.endsWith('/v1/register')) {
      return { nonce: 'x', username: 'x', password: 'x', mac: '00' }
    }
    if (template.endsWith('/account/password')) return { new_password: 'x' }
    if (['invite', 'kick', 'ban', 'unban'].includes(last)) return { user_id: this.#bob.userId }
    if (template.endsWith('/search')) {
      return { search_categories: { room_events: { search_term: 'hello' } } }
    }
    if (template.endsWith('simplified_msc3575/sync')) {
      const all = { ranges: [[0, 9]], timeline_limit: 1, required_state: [['m.room.name', '']] }
      return { lists: { all } }
    }
    if (template.includes('/report')) return { reason: 'none' }
    if (template.includes('/presence/')) return { presence: 'online' }
    if (template.includes('/sendToDevice/')) return { messages: {} }
    if (template.endsWith('/delete_devices')) return { devices: [] }
    if (template.endsWith('/ping')) return { transaction_id: 'x' }
    if (template.endsWith('/refresh')) return { refresh_token: 'x' }
    if (template.endsWith('/keys/query')) return { device_keys: {} }
    if (template.endsWith('/keys/claim')) return { one_time_keys: {} }
    if (template.endsWith('/device_signing/upload')) return { master_key: this.#masterKey() }
    if (template.includes('/room_keys/version')) return backup
    if (template.endsWith('/room_keys/keys')) return { rooms: {} }
    if (template.endsWith('/room_keys/keys/:roomId')) return { sessions: {} }
    if (template.endsWith('/room_keys/keys/:roomId/:sessionId')) return backedUpKey
    if (template.endsWith('/dehydrated_device')) return this.#dehydratedDevice()
    if (template.endsWith('/delayed_events/:delayId')) return { action: 'restart' }
    if (template.includes('/expiration/')) return { expire_refresh_token: this.#idFor('delayId') }
    if (template.endsWith('/futures/refresh')) return { future_token: this.#idFor('delayId') }
    if (template.includes('/futures/action/')) return { future_token: this.#idFor('delayId') }
    if (last === ':token') return { action: 'refresh' }
    if (last === ':futureId') return { action: 'refresh' }
    if (last === 'update_future') return { future_id: this.#idFor('delayId'), action: 'refresh' }
    if (last === 'future') return { 'm.timeout': 3_600, 'm.send_on_timeout': {} }
    if (template.endsWith('/send_future/:txnId')) return { type: 'm.test', content: {} }
    if (template.includes('/delayed_event/')) return { delay_ms: 86_400_000, content: {} }
    if (template.endsWith('/profile/:userId/:keyName')) return { 'm.test': 'x' }
    if (template.includes('/typing/')) return { typing: true, timeout: 1_000 }
    if (template.endsWith('/user_directory/search')) return { search_term: 'bob' }
    if (template.endsWith('/pushers/set')) return { app_id: 'x', pushkey: 'x', kind: null }
    if (template.includes('/pushrules/')) return { enabled: true, actions: [] }
    return {}
  }

  #masterKey(): JsonObject {
    const key = 'A'.repeat(43)
    return { user_id: this.#alice.userId, usage: ['master'], keys: { [`ed25519:${key}`]: key } }
  }

  #dehydratedDevice(): JsonObject {
    const ids = { user_id: this.#alice.userId, device_id: 'DEHYDRATED' }
    const device_keys = { ...ids, algorithms: [], keys: {}, signatures: {} }
    return { device_id: 'DEHYDRATED', device_data: {}, device_keys }
  }

  /** What an endpoint wants to have in its query. */
  #query(template: string): string {
    if (template.includes('/room_keys/keys')) return `?version=${this.#idFor('version')}`
    if (template.endsWith('/v3/events')) return `?room_id=${enc(this.#idFor('roomId'))}`
    if (template.endsWith('/mutual_rooms')) return `?user_id=${enc(this.#bob.userId)}`
    if (template.endsWith('/keys/changes')) return '?from=s0&to=s0'
    if (template.includes('/thumbnail/')) return '?width=32&height=32'
    if (template.endsWith('/thread_subscriptions')) return '?dir=b'
    // The server itself is the one web page that is always there.
    if (template.endsWith('/preview_url'))
      return `?url=${enc(`${this.#server.baseUrl}${base}/versions`)}`
    const isFuture = /(send|state)_future\/|\/v1\/rooms\/:roomId\/(send|state)\//.test(template)
    return isFuture ? '?future_timeout=86400000' : ''
  }

  /** The request as it should be. The token `alice` stands for hers, whatever it is by then. */
  request(endpoint: EndpointUnderTest, path: string): RawRequest {
    return {
      method: endpoint.method,
      path: `${this.path(path)}${this.#query(path)}`,
      token: endpoint.auth === 'none' ? undefined : 'alice',
      body: endpoint.hasBody ? JSON.stringify(this.body(path)) : undefined,
    }
  }
}

/** Members that endpoints take which check an object as a whole. */
const furtherMembers: Record<string, readonly string[]> = {
  login: [
    'identifier',
    'user',
    'password',
    'device_id',
    'initial_device_display_name',
    'refresh_token',
  ],
  register: ['nonce', 'username', 'password', 'mac', 'admin', 'displayname'],
  filter: ['event_fields', 'event_format', 'presence', 'account_data', 'room'],
  ':roomIdOrAlias': ['reason', 'third_party_signed', 'membership', 'displayname'],
  join: ['reason', 'third_party_signed', 'join_authorised_via_users_server'],
  leave: ['reason'],
  ':keyName': ['m.test'],
  ':txnId': ['reason', 'redacts', 'm.relates_to', 'msgtype', 'body', 'url', 'm.mentions'],
}

/** The members of its body that an endpoint looks at. */
export function bodyMembersOf(endpoint: EndpointUnderTest): string[] {
  const last = endpoint.paths[0]?.split('/').at(-1) ?? ''
  return [...new Set([...endpoint.bodyNames, ...(furtherMembers[last] ?? [])])]
}
