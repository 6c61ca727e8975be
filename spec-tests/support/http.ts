/**
 * One request over HTTP, as `fetch` would make it, with a fraction of the work: no streams of the
 * web, no copies of headers. The tests make tens of thousands.
 */
import { Agent, type IncomingMessage, request } from 'node:http'

export interface HttpRequest {
  method: string
  url: string
  headers: Record<string, string>
  body: string | Uint8Array | undefined
  signal: AbortSignal | undefined
}

export interface HttpAnswer {
  status: number
  contentType: string | null
  headers: Headers
  text: string
}

/** The process may end while a connection waits for the next request. */
const agent = new Agent({ keepAlive: true })

/**
 * Redirections are not followed.
 *
 * @throws Error no answer came, or not all of it; named AbortError if it was the signal
 */
export function exchange({ method, url, headers, body, signal }: HttpRequest): Promise<HttpAnswer> {
  return new Promise((resolve, reject) => {
    const isTyped = Object.keys(headers).some(name => name.toLowerCase() === 'content-type')
    const options = {
      agent,
      method,
      headers: {
        // What fetch says of itself, and of a body of which nothing else is said.
        Accept: '*/*',
        'User-Agent': 'node',
        ...(typeof body === 'string' && !isTyped && { 'Content-Type': 'text/plain;charset=UTF-8' }),
        ...(body !== undefined && { 'Content-Length': Buffer.byteLength(body) }),
        ...headers,
      },
      ...(signal && { signal }),
    }
    const sent = request(new URL(url), options, answer => read(answer).then(resolve, reject))
    sent.on('error', reject)
    sent.end(body)
  })
}

async function read(answer: IncomingMessage): Promise<HttpAnswer> {
  const pieces: Buffer[] = []
  answer.on('data', piece => pieces.push(piece))
  await new Promise((resolve, reject) => {
    answer.on('end', resolve)
    answer.on('error', reject)
  })
  let headers: Headers | undefined
  return {
    status: answer.statusCode ?? 0,
    contentType: answer.headers['content-type'] ?? null,
    // Few look at them.
    get headers() {
      headers ??= new Headers(pairsOf(answer.rawHeaders))
      return headers
    },
    text: Buffer.concat(pieces).toString(),
  }
}

function pairsOf(raw: readonly string[]): [string, string][] {
  return raw.flatMap((name, i) => (i % 2 === 0 ? [[name, raw[i + 1] ?? '']] : []))
}
