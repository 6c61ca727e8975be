/**
 * HTTP/1.1 over one kept-alive connection, with no more than a load generator needs: it shares two
 * cores with the server that it measures, and every microsecond of its own is one it takes away.
 */
import { connect, type Socket } from 'node:net'

export interface Exchange {
  method: string
  path: string
  token?: string | null | undefined
  body?: string | undefined
}

export interface HttpAnswer {
  status: number
  body: string
}

export class Connection {
  readonly #socket: Socket
  #received: Buffer[] = []
  /** Of the answer that is coming, head and body; Infinity until the head is there. */
  #length = Number.POSITIVE_INFINITY
  #receivedLength = 0
  #resolve: ((answer: HttpAnswer) => void) | undefined
  #reject: ((error: Error) => void) | undefined

  static open(baseUrl: string): Promise<Connection> {
    const { hostname, port } = new URL(baseUrl)
    return new Promise((resolve, reject) => {
      const socket = connect(Number(port), hostname, () => resolve(new Connection(socket)))
      socket.once('error', reject)
    })
  }

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.setNoDelay(true)
    socket.on('data', bytes => this.#receive(bytes))
    socket.on('error', error => this.#reject?.(error))
    socket.on('close', () => this.#reject?.(new Error('the server hung up')))
  }

  /** One at a time. */
  exchange({ method, path, token, body = '' }: Exchange): Promise<HttpAnswer> {
    const head = [
      `${method} ${path} HTTP/1.1`,
      'Host: bench',
      ...(token ? [`Authorization: Bearer ${token}`] : []),
      'Content-Type: application/json',
      `Content-Length: ${Buffer.byteLength(body)}`,
    ]
    return new Promise((resolve, reject) => {
      if (this.#socket.destroyed) throw new Error('the server had hung up')
      this.#resolve = resolve
      this.#reject = reject
      this.#socket.write(`${head.join('\r\n')}\r\n\r\n${body}`)
    })
  }

  close(): void {
    this.#reject = undefined
    this.#socket.destroy()
  }

  #receive(bytes: Buffer): void {
    this.#received.push(bytes)
    this.#receivedLength += bytes.length
    // A long answer comes in many pieces: they are put together once.
    if (this.#receivedLength < this.#length && Number.isFinite(this.#length)) return
    const all = this.#received.length === 1 ? bytes : Buffer.concat(this.#received)
    const end = all.indexOf('\r\n\r\n')
    this.#received = [all]
    if (end === -1) return
    const head = all.toString('latin1', 0, end)
    this.#length = end + 4 + Number(/\r\ncontent-length: (\d+)/i.exec(head)?.[1])
    if (all.length < this.#length) return
    const answer = {
      status: Number(head.slice(9, 12)),
      body: all.toString('utf8', end + 4, this.#length),
    }
    this.#received = []
    this.#receivedLength = 0
    this.#length = Number.POSITIVE_INFINITY
    this.#resolve?.(answer)
  }
}

/** Some connections, each used by one request at a time. */
export class Connections {
  readonly #all: Connection[]
  readonly #idle: Connection[]
  readonly #waiting: ((connection: Connection) => void)[] = []

  static async open(baseUrl: string, count: number): Promise<Connections> {
    return new Connections(
      await Promise.all(Array.from({ length: count }, () => Connection.open(baseUrl))),
    )
  }

  private constructor(connections: Connection[]) {
    this.#all = connections
    this.#idle = [...connections]
  }

  async exchange(request: Exchange): Promise<HttpAnswer> {
    const connection =
      this.#idle.pop() ??
      (await new Promise<Connection>(resolve => {
        this.#waiting.push(resolve)
      }))
    try {
      return await connection.exchange(request)
    } finally {
      const next = this.#waiting.shift()
      if (next) next(connection)
      else this.#idle.push(connection)
    }
  }

  close(): void {
    for (const connection of this.#all) connection.close()
  }
}
