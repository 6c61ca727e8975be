/** A Matrix client that says exactly what it is told to, over HTTP. */
import { createHmac } from 'node:crypto'
import { exchange } from './http.ts'
import { mustConform } from './must-conform.ts'
import type { Json, JsonObject, MessagesPage, SyncResponse, WireEvent } from './wire.ts'

export interface Answer {
  status: number
  headers: Headers
  body: JsonObject
  /** The body as it came. */
  text: string
}

export interface RequestOptions {
  /** An object is sent as JSON; a string or bytes as they are; undefined sends no body. */
  body?: Json | Uint8Array | undefined
  query?: Record<string, string | number | boolean | undefined>
  headers?: Record<string, string>
  /** Another token than the client's; null sends none. */
  token?: string | null
  signal?: AbortSignal
}

/** What a refused request throws. */
export class RequestFailed extends Error {
  readonly status: number
  readonly errcode: string
  readonly body: JsonObject

  constructor(what: string, answer: Answer) {
    super(`${what}: ${answer.status} ${answer.text}`)
    this.status = answer.status
    this.errcode = String(answer.body.errcode)
    this.body = answer.body
  }
}

const v3 = '/_matrix/client/v3'
export const delayedEvents = '/_matrix/client/unstable/org.matrix.msc4140/delayed_events'
const enc = encodeURIComponent

export class Client {
  userId = ''
  deviceId = ''
  token: string | undefined
  password = 'complement_meets_min_password_req'
  readonly #baseUrl: () => string
  #transactions = 0

  constructor(baseUrl: () => string) {
    this.#baseUrl = baseUrl
  }

  /** Another device, or the same, of the same user: no session yet. */
  sibling(): Client {
    const client = new Client(this.#baseUrl)
    client.userId = this.userId
    client.password = this.password
    return client
  }

  /** Send a request and give the answer, whatever its status. */
  async request(method: string, path: string, options: RequestOptions = {}): Promise<Answer> {
    const { body, query = {}, headers = {}, signal } = options
    const token = options.token === undefined ? this.token : (options.token ?? undefined)
    const parameters = Object.entries(query).flatMap(([name, value]) =>
      value === undefined ? [] : [`${enc(name)}=${enc(String(value))}`],
    )
    const target = `${path}${parameters.length ? `?${parameters.join('&')}` : ''}`
    const isRaw = typeof body === 'string' || body instanceof Uint8Array
    const answer = await exchange({
      method,
      url: `${this.#baseUrl()}${target}`,
      headers: { ...(token === undefined ? {} : { Authorization: `Bearer ${token}` }), ...headers },
      body: body === undefined || isRaw ? body : JSON.stringify(body),
      signal,
    })
    const { status, text } = answer
    mustConform({
      method,
      path: target,
      status,
      contentType: answer.contentType,
      text,
    })
    let parsed: JsonObject = {}
    try {
      parsed = JSON.parse(text) as JsonObject
    } catch {
      // Not every answer is JSON; the test that minds looks at `text`.
    }
    return {
      status,
      get headers() {
        return answer.headers
      },
      body: parsed,
      text,
    }
  }

  /** As {@link request}; throws RequestFailed unless the status is 2xx. */
  async ok(method: string, path: string, options: RequestOptions = {}): Promise<JsonObject> {
    const answer = await this.request(method, path, options)
    if (answer.status < 200 || answer.status > 299) {
      throw new RequestFailed(`${method} ${path}`, answer)
    }
    return answer.body
  }

  /** Register with the dummy stage in one request, and be logged in. */
  async register(username: string, extra: JsonObject = {}): Promise<void> {
    const body = { auth: { type: 'm.login.dummy' }, username, password: this.password, ...extra }
    this.#adopt(await this.ok('POST', `${v3}/register`, { body, token: null }))
  }

  /** Register with the secret that test servers have, as an administrator, and be logged in. */
  async registerAdmin(username: string): Promise<void> {
    const path = '/_synapse/admin/v1/register'
    const { nonce } = await this.ok('GET', path)
    const mac = createHmac('sha1', 'complement')
      .update([nonce, username, this.password, 'admin'].join('\0'))
      .digest('hex')
    const body = { nonce, username, password: this.password, admin: true, mac }
    this.#adopt(await this.ok('POST', path, { body, token: null }))
  }

  /** The password stage of User-Interactive Authentication, in one request and without a session. */
  proof(password = this.password): JsonObject {
    const identifier = { type: 'm.id.user', user: this.userId }
    return { type: 'm.login.password', identifier, password }
  }

  /** Log in with the password. */
  async login(extra: JsonObject = {}): Promise<JsonObject> {
    const body = { ...this.proof(), ...extra }
    const answer = await this.ok('POST', `${v3}/login`, { body, token: null })
    this.#adopt(answer)
    return answer
  }

  #adopt(session: JsonObject): void {
    this.userId = String(session.user_id)
    this.deviceId = String(session.device_id)
    this.token = String(session.access_token)
  }

  /** @returns the room's id */
  async createRoom(body: JsonObject = {}): Promise<string> {
    const answer = await this.ok('POST', `${v3}/createRoom`, { body })
    return String(answer.room_id)
  }

  async join(roomIdOrAlias: string, body: JsonObject = {}): Promise<string> {
    const answer = await this.ok('POST', `${v3}/join/${enc(roomIdOrAlias)}`, { body })
    return String(answer.room_id)
  }

  async leave(roomId: string): Promise<void> {
    await this.ok('POST', this.roomPath(roomId, 'leave'), { body: {} })
  }

  async invite(roomId: string, userId: string): Promise<void> {
    await this.ok('POST', this.roomPath(roomId, 'invite'), { body: { user_id: userId } })
  }

  async kick(roomId: string, userId: string, extra: JsonObject = {}): Promise<void> {
    await this.ok('POST', this.roomPath(roomId, 'kick'), { body: { user_id: userId, ...extra } })
  }

  async ban(roomId: string, userId: string, extra: JsonObject = {}): Promise<void> {
    await this.ok('POST', this.roomPath(roomId, 'ban'), { body: { user_id: userId, ...extra } })
  }

  async unban(roomId: string, userId: string, extra: JsonObject = {}): Promise<void> {
    await this.ok('POST', this.roomPath(roomId, 'unban'), { body: { user_id: userId, ...extra } })
  }

  async knock(roomIdOrAlias: string, body: JsonObject = {}): Promise<string> {
    const answer = await this.ok('POST', `${v3}/knock/${enc(roomIdOrAlias)}`, { body })
    return String(answer.room_id)
  }

  async forget(roomId: string): Promise<void> {
    await this.ok('POST', this.roomPath(roomId, 'forget'), { body: {} })
  }

  /** `/_matrix/client/v3/rooms/{roomId}/{parts…}`, each part percent-encoded. */
  roomPath(roomId: string, ...parts: string[]): string {
    return [`${v3}/rooms/${enc(roomId)}`, ...parts.map(enc)].join('/')
  }

  /** Upload a file. @returns its media id */
  async upload(
    bytes: Uint8Array,
    given: { contentType?: string; fileName?: string } = {},
  ): Promise<string> {
    const { content_uri } = await this.ok('POST', '/_matrix/media/v3/upload', {
      body: bytes,
      query: { filename: given.fileName },
      headers: { 'Content-Type': given.contentType ?? 'application/octet-stream' },
    })
    return String(content_uri).replace('mxc://hs1/', '')
  }

  nextTransactionId(): string {
    this.#transactions += 1
    return String(this.#transactions)
  }

  /** Send a message event. @returns its id */
  async send(roomId: string, type: string, content: JsonObject, txnId?: string): Promise<string> {
    const path = this.roomPath(roomId, 'send', type, txnId ?? this.nextTransactionId())
    return String((await this.ok('PUT', path, { body: content })).event_id)
  }

  /** Send an m.room.message of text. @returns its id */
  say(roomId: string, body: string): Promise<string> {
    return this.send(roomId, 'm.room.message', { msgtype: 'm.text', body })
  }

  /** @returns the event's id */
  async setState(
    roomId: string,
    type: string,
    stateKey: string,
    content: JsonObject,
  ): Promise<string> {
    const path = this.roomPath(roomId, 'state', type, stateKey)
    return String((await this.ok('PUT', path, { body: content })).event_id)
  }

  /** The content of a state event. */
  async state(roomId: string, type: string, stateKey = ''): Promise<JsonObject> {
    return this.ok('GET', this.roomPath(roomId, 'state', type, stateKey))
  }

  /** One event. */
  async event(roomId: string, eventId: string): Promise<WireEvent> {
    return (await this.ok('GET', this.roomPath(roomId, 'event', eventId))) as WireEvent
  }

  /** @returns the redaction's id */
  async redact(roomId: string, eventId: string, content: JsonObject = {}): Promise<string> {
    const path = this.roomPath(roomId, 'redact', eventId, this.nextTransactionId())
    return String((await this.ok('PUT', path, { body: content })).event_id)
  }

  /** Schedule a message event (MSC4140). @returns its `delay_id` */
  async delay(
    roomId: string,
    delayMs: number,
    type: string,
    content: JsonObject,
    txnId = this.nextTransactionId(),
  ): Promise<string> {
    const query = { 'org.matrix.msc4140.delay': delayMs }
    const path = this.roomPath(roomId, 'send', type, txnId)
    return String((await this.ok('PUT', path, { body: content, query })).delay_id)
  }

  /** Schedule a state event (MSC4140). @returns its `delay_id` */
  async delayState(
    roomId: string,
    delayMs: number,
    type: string,
    stateKey: string,
    content: JsonObject,
  ): Promise<string> {
    const query = { 'org.matrix.msc4140.delay': delayMs }
    const path = this.roomPath(roomId, 'state', type, stateKey)
    return String((await this.ok('PUT', path, { body: content, query })).delay_id)
  }

  /** Send, cancel or restart a delayed event, with neither token nor body: the id is enough. */
  manage(delayId: string, action: string): Promise<Answer> {
    return this.request('POST', `${delayedEvents}/${enc(delayId)}/${action}`, { token: null })
  }

  /** The delayed events that are scheduled, as listed. */
  async scheduled(): Promise<JsonObject[]> {
    return (await this.ok('GET', delayedEvents)).delayed_events
  }

  /** What became of the others, latest first. */
  async finalised(): Promise<JsonObject[]> {
    return (await this.ok('GET', delayedEvents)).finalised
  }

  /** A page of a room's timeline. */
  async messages(roomId: string, query: RequestOptions['query'] = {}): Promise<MessagesPage> {
    const page = await this.ok('GET', this.roomPath(roomId, 'messages'), { query })
    return page as unknown as MessagesPage
  }

  /** Upload a filter. @returns its id */
  async saveFilter(definition: JsonObject): Promise<string> {
    const path = `${v3}/user/${enc(this.userId)}/filter`
    return String((await this.ok('POST', path, { body: definition })).filter_id)
  }

  /** One /sync, which does not wait unless `timeout` (ms) is given. */
  async sync(query: RequestOptions['query'] = {}, signal?: AbortSignal): Promise<SyncResponse> {
    const options = signal ? { query, signal } : { query }
    return (await this.ok('GET', `${v3}/sync`, options)) as unknown as SyncResponse
  }
}

/** The refusal that a promise ends in; fails the test if it succeeds. */
export async function refusal(promise: Promise<unknown>): Promise<RequestFailed> {
  try {
    await promise
  } catch (error) {
    if (error instanceof RequestFailed) return error
    throw error
  }
  throw new Error('the request was expected to be refused')
}
