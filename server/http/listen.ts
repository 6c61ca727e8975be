/** Listening for requests, and stopping without cutting anybody off. */
import { createServer, type RequestListener, type ServerResponse, STATUS_CODES } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import { systemClock } from '../lib/clock.ts'
import { Passing } from '../lib/passing.ts'
import { MatrixError } from '../matrix/errors.ts'
import { corsHeaders } from './cors.ts'
import { messages } from './messages.ts'
import type { Certificate } from './tls.ts'

/** The address or port cannot be had; the message is one line for the person who starts us. */
export class CannotListen extends Error {}

export interface Listening {
  /** With the real address, and the real port where 0 was asked for. */
  readonly url: string
  /**
   * Take no more requests, and wait for those that are running, though not for ever. Whoever waits
   * in them must be woken by the caller. Runs once.
   */
  close(): Promise<void>
  /** Hang up on everybody, in the middle of whatever it is. */
  cut(): void
}

/** A request that takes longer to finish is cut off when the server stops. */
const patienceMs = 5_000

/** From its first byte to its last a file may take so long; node gives it five minutes, which is not much by phone. */
const longestRequestMs = 3_600_000

/** nginx keeps a connection for 60 s; if we hung up first, it would now and then answer 502. */
const keepAliveMs = 65_000

/** /sync carries a filter in its URL, and clients make long ones; node's own limit is 16 KiB. */
const maxHeaderBytes = 64 * 1024

/**
 * @param certificate with it, TLS is spoken
 * @throws CannotListen
 */
export async function listen(
  app: RequestListener,
  host: string,
  port: number,
  certificate?: Certificate,
): Promise<Listening> {
  const options = {
    keepAliveTimeout: keepAliveMs,
    requestTimeout: longestRequestMs,
    maxHeaderSize: maxHeaderBytes,
    ...messages,
  }
  const server = certificate
    ? createTlsServer({ ...certificate, ...options })
    : createServer(options)
  const sockets = new Set<Socket>()
  const running = new Passing<ServerResponse>()
  const note = (socket: Socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  }
  server.on('connection', note)
  // A request knows its TLS connection, and not the one below, which is there before the handshake.
  if (certificate) {
    const byPeer = new Map<string, Socket>()
    server.on('connection', (socket: Socket) => {
      const peer = peerOf(socket)
      byPeer.set(peer, socket)
      socket.once('close', () => {
        if (byPeer.get(peer) === socket) byPeer.delete(peer)
      })
    })
    server.on('secureConnection', (socket: Socket) => {
      note(socket)
      const below = byPeer.get(peerOf(socket))
      if (below) belowTls.set(socket, below)
    })
  }
  server.on('request', (request, response) => {
    response.on('close', running.add(response))
    app(request, response)
  })
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    // In the middle of an answer, another one would be read as a part of it.
    const isAnswering = running.all().some(({ req, headersSent }) => {
      return req.socket === socket && headersSent
    })
    if (socket.writable && !isAnswering) socket.end(refusalOfNoHttp(error.code))
    else socket.destroy()
  })

  await new Promise<void>((resolve, reject) => {
    server.once('error', error => reject(new CannotListen(reasonOf(error, host, port))))
    server.listen(port, host, resolve)
  })

  const close = async () => {
    const closed = new Promise<void>(resolve => {
      server.close(() => resolve())
    })
    for (const response of running.all()) {
      const { socket } = response.req
      if (response.headersSent) response.once('finish', () => socket.end())
      else response.setHeader('Connection', 'close')
    }
    const busy = new Set(running.all().map(response => peerOf(response.req.socket)))
    for (const socket of sockets) if (!busy.has(peerOf(socket))) socket.destroy()
    const timer = systemClock.timer(systemClock.now() + patienceMs, () =>
      server.closeAllConnections(),
    )
    await closed
    timer.cancel()
  }
  let closing: Promise<void> | undefined
  return {
    url: urlOf(server.address() as AddressInfo, certificate ? 'https' : 'http'),
    close() {
      closing ??= close()
      return closing
    },
    cut() {
      for (const socket of sockets) socket.destroy()
    },
  }
}

/** Of a TLS connection, the one that it is on. */
const belowTls = new WeakMap<Socket, Socket>()

/** Hang up on who asks, with a TCP RST; TLS itself has no such thing. */
export function reset({ req: { socket } }: ServerResponse): void {
  const below = belowTls.get(socket) ?? socket
  below.resetAndDestroy()
}

/** The same for a TLS connection and the one below it. */
const peerOf = ({ remoteAddress, remotePort }: Socket) => `${remoteAddress} ${remotePort}`

/** The answer to what was not understood as HTTP, such as a browser may read it, byte by byte. */
function refusalOfNoHttp(code: string | undefined): string {
  const refusal = (() => {
    switch (code) {
      case 'HPE_HEADER_OVERFLOW':
        return new MatrixError(431, 'M_TOO_LARGE', 'The URL and the headers are too long')
      case 'ERR_HTTP_REQUEST_TIMEOUT':
        return new MatrixError(408, 'M_UNKNOWN', 'The request did not arrive in time')
      default:
        return new MatrixError(400, 'M_UNKNOWN', 'This is not HTTP')
    }
  })()
  const body = JSON.stringify(refusal)
  const headers = {
    ...corsHeaders,
    'Content-Type': 'application/json',
    'Content-Length': String(Buffer.byteLength(body)),
    Connection: 'close',
  }
  const head = Object.entries(headers).map(([name, value]) => `${name}: ${value}`)
  const status = `HTTP/1.1 ${refusal.status} ${STATUS_CODES[refusal.status]}`
  return [status, ...head, '', body].join('\r\n')
}

function urlOf({ address, family, port }: AddressInfo, scheme: string): string {
  return `${scheme}://${family === 'IPv6' ? `[${address}]` : address}:${port}`
}

function reasonOf(error: NodeJS.ErrnoException, host: string, port: number): string {
  switch (error.code) {
    case 'EADDRINUSE':
      return `port ${port} on ${host} is taken by another program`
    case 'EACCES':
      return `port ${port} needs privileges that this user does not have`
    case 'EADDRNOTAVAIL':
      return `${host} is not an address of this machine`
    default:
      return `cannot listen on ${host}, port ${port}: ${error.code ?? error.message}`
  }
}
