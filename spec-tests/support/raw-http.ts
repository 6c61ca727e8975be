/** HTTP without manners: paths, headers and bytes go out exactly as they are given. */
import { Agent, request as httpRequest, type IncomingHttpHeaders } from 'node:http'
import { connect, type Socket } from 'node:net'
import { mustConform } from './must-conform.ts'
import type { JsonObject } from './wire.ts'

export interface RawRequest {
  method: string
  /** With the query, and encoded as the test wants it; nothing is normalised. */
  path: string
  headers?: Record<string, string>
  body?: string | Uint8Array | undefined
  token?: string | undefined
}

export interface RawAnswer {
  status: number
  headers: IncomingHttpHeaders
  text: string
  /** Empty if the answer is no JSON object. */
  body: JsonObject
}

const agent = new Agent({ keepAlive: true, maxSockets: 16 })

/** Let the connections go that {@link sendRaw} holds open. */
export function closeConnections(): void {
  agent.destroy()
}

/** Send a request and give the answer, whatever it is. */
export function sendRaw(baseUrl: string, raw: RawRequest): Promise<RawAnswer> {
  const { method, path, body, token } = raw
  const { hostname, port } = new URL(baseUrl)
  const bytes = body === undefined ? undefined : Buffer.from(body as string)
  const headers = {
    ...(token === undefined ? {} : { Authorization: `Bearer ${token}` }),
    ...(bytes === undefined ? {} : { 'Content-Length': String(bytes.length) }),
    ...raw.headers,
  }
  return new Promise((resolve, reject) => {
    const request = httpRequest({ agent, hostname, port, method, path, headers }, response => {
      const chunks: Buffer[] = []
      response.on('data', chunk => chunks.push(chunk))
      response.on('error', reject)
      response.on('end', () => {
        const text = Buffer.concat(chunks).toString()
        const status = response.statusCode ?? 0
        const contentType = response.headers['content-type'] ?? null
        try {
          mustConform({ method, path, status, contentType, text })
        } catch (error) {
          reject(error)
        }
        resolve({ status, headers: response.headers, text, body: parseObject(text) })
      })
    })
    request.on('error', error => reject(new Error(`${method} ${path}: ${error.message}`)))
    request.end(bytes)
  })
}

function parseObject(text: string): JsonObject {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? (value as JsonObject) : {}
  } catch {
    return {}
  }
}

/**
 * Write bytes to a new connection.
 *
 * @param hangUp end our side at once, as somebody does who has gone; else the server ends it
 * @returns what came back
 */
export function sendBytes(
  baseUrl: string,
  bytes: string | Uint8Array,
  { hangUp = false } = {},
): Promise<string> {
  const { hostname, port } = new URL(baseUrl)
  return new Promise(resolve => {
    const socket = connect({ host: hostname, port: Number(port) })
    let text = ''
    socket.on('data', chunk => {
      text += chunk.toString('latin1')
    })
    // Being cut off is one of the answers.
    socket.on('error', () => undefined)
    socket.on('close', () => resolve(text))
    if (hangUp) socket.end(bytes)
    else socket.write(bytes)
  })
}

/** One connection, as a client keeps it: a request at a time, each as the bytes it is given. */
export class RawConnection {
  readonly #socket: Socket
  #received = Buffer.alloc(0)
  #heard: () => void = () => undefined

  constructor(baseUrl: string) {
    const { hostname, port } = new URL(baseUrl)
    this.#socket = connect({ host: hostname, port: Number(port) })
    this.#socket.on('data', chunk => {
      this.#received = Buffer.concat([this.#received, chunk])
      this.#heard()
    })
    for (const end of ['error', 'close']) this.#socket.on(end, () => this.#heard())
  }

  /** @throws if the connection is closed before the answer is complete */
  async exchange(bytes: Uint8Array): Promise<RawAnswer> {
    this.#received = Buffer.alloc(0)
    this.#socket.write(bytes)
    for (;;) {
      const answer = parseAnswer(this.#received)
      if (answer) return answer
      if (this.#socket.destroyed) throw new Error(`cut off after: ${this.#received}`)
      await new Promise<void>(resolve => {
        this.#heard = resolve
      })
    }
  }

  close(): void {
    this.#socket.destroy()
  }
}

/** @returns undefined if it is not complete */
function parseAnswer(received: Buffer): RawAnswer | undefined {
  const end = received.indexOf('\r\n\r\n')
  if (end < 0) return undefined
  const [statusLine = '', ...lines] = received.toString('latin1', 0, end).split('\r\n')
  const headers: IncomingHttpHeaders = Object.fromEntries(
    lines.map(line => [
      line.slice(0, line.indexOf(':')).toLowerCase(),
      line.replace(/^.*?: */, ''),
    ]),
  )
  const body = received.subarray(end + 4)
  if (body.length < Number(headers['content-length'])) return undefined
  const text = body.toString()
  return { status: Number(statusLine.split(' ')[1]), headers, text, body: parseObject(text) }
}
