/** The administration API of a running server, as `hourglass admin` asks it. */
import { isJsonObject, type JsonObject } from '../lib/json.ts'

/** It was understood and cannot be done; the message is one line. */
export class AdminError extends Error {}

export type Rows = readonly JsonObject[]

/** How many are asked for at once. */
const pageSize = 1_000

export class AdminClient {
  readonly #url: string
  readonly #token: string
  readonly #serverName: string

  constructor(url: string, token: string, serverName: string) {
    this.#url = url.replace(/\/$/, '')
    this.#token = token
    this.#serverName = serverName
  }

  /** A server of which nothing is known but where it is and who we are there. */
  static async named(url: string, token: string): Promise<AdminClient> {
    const path = '/_matrix/client/v3/account/whoami'
    const { user_id: userId } = await new AdminClient(url, token, '').ask('GET', path)
    return new AdminClient(url, token, String(userId).replace(/^[^:]*:/, ''))
  }

  /** `alice`, `@alice` and `@alice:example.org` are names of the same user. */
  userId(name: string): string {
    const withSigil = name.startsWith('@') ? name : `@${name}`
    return withSigil.includes(':') ? withSigil : `${withSigil}:${this.#serverName}`
  }

  userPath(userId: string): string {
    return `/_synapse/admin/v2/users/${encodeURIComponent(userId)}`
  }

  async hasUser(userId: string): Promise<boolean> {
    const { status, body } = await this.#send('GET', this.userPath(userId))
    if (status === 200 || body.errcode === 'M_NOT_FOUND') return status === 200
    throw refusal(status, body)
  }

  /** @throws AdminError */
  async ask(method: string, path: string, body?: JsonObject): Promise<JsonObject> {
    const answer = await this.#send(method, path, body)
    if (answer.status < 200 || answer.status > 299) throw refusal(answer.status, answer.body)
    return answer.body
  }

  /** Every page of a list that is paged by counting. */
  async all(path: string, member: string): Promise<Rows> {
    const rows: JsonObject[] = []
    for (;;) {
      const separator = path.includes('?') ? '&' : '?'
      const query = `${separator}limit=${pageSize}&from=${rows.length}`
      const page = (await this.ask('GET', `${path}${query}`))[member]
      const found = Array.isArray(page) ? page.filter(isJsonObject) : []
      rows.push(...found)
      if (found.length < pageSize) return rows
    }
  }

  async #send(
    method: string,
    path: string,
    body?: JsonObject,
  ): Promise<{ status: number; body: JsonObject }> {
    let response: Response
    try {
      response = await fetch(`${this.#url}${path}`, {
        method,
        headers: { Authorization: `Bearer ${this.#token}` },
        ...(body ? { body: JSON.stringify(body) } : {}),
      })
    } catch (error) {
      const { cause, message } = error as Error
      const reason = (cause as { code?: string } | undefined)?.code ?? message
      throw new AdminError(`no server answers at ${this.#url}: ${reason}`)
    }
    const answer: unknown = await response.json().catch(() => undefined)
    return { status: response.status, body: isJsonObject(answer) ? answer : {} }
  }
}

function refusal(status: number, body: JsonObject): AdminError {
  const reason = typeof body.error === 'string' ? body.error : `status ${status}`
  return new AdminError(`the server refuses: ${reason}`)
}
