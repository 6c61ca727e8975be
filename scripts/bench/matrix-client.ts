/** The few requests with which a run sets its stage, over the public surface. */
import { Connections } from './http-client.ts'

export type Json = Record<string, unknown>

export interface User {
  userId: string
  token: string
}

export class MatrixClient {
  readonly #connections: Connections

  static async to(baseUrl: string, connections = 8): Promise<MatrixClient> {
    return new MatrixClient(await Connections.open(baseUrl, connections))
  }

  private constructor(connections: Connections) {
    this.#connections = connections
  }

  async request<T = Json>(method: string, path: string, token?: string, body?: Json): Promise<T> {
    const answer = await this.#connections.exchange({
      method,
      path: `/_matrix/client${path}`,
      token,
      body: body === undefined ? undefined : JSON.stringify(body),
    })
    if (answer.status !== 200) {
      throw new Error(`${method} ${path}: ${answer.status} ${answer.body.slice(0, 200)}`)
    }
    return JSON.parse(answer.body) as T
  }

  async register(): Promise<User> {
    const body = { auth: { type: 'm.login.dummy' } }
    const answer = await this.request('POST', '/v3/register', undefined, body)
    return { userId: String(answer.user_id), token: String(answer.access_token) }
  }

  /** @returns the room id, percent-encoded */
  async createRoom(creator: User, options: Json = {}): Promise<string> {
    const body = { preset: 'public_chat', ...options }
    const { room_id } = await this.request('POST', '/v3/createRoom', creator.token, body)
    return encodeURIComponent(String(room_id))
  }

  close(): void {
    this.#connections.close()
  }
}

/** `count` times, some at once, in no particular order. */
export async function times<T>(
  count: number,
  run: (i: number) => Promise<T>,
  atOnce = 8,
): Promise<T[]> {
  const results: T[] = []
  let next = 0
  const worker = async () => {
    while (next < count) {
      const i = next
      next += 1
      results[i] = await run(i)
    }
  }
  await Promise.all(Array.from({ length: atOnce }, worker))
  return results
}
