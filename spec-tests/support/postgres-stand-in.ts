/** What a PostgreSQL server may say at the door, without one; and a wire that can be cut. */
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'

export interface StandIn {
  readonly port: number
  /** Cut every connection that is open. */
  cut(): void
  stop(): Promise<void>
}

/** A message of PostgreSQL's protocol: a letter, a length that counts itself, a body. */
function message(type: string, ...parts: (string | Buffer)[]): Buffer {
  const body = Buffer.concat(parts.map(part => Buffer.from(part as string)))
  const head = Buffer.alloc(5)
  head.write(type)
  head.writeInt32BE(body.length + 4, 1)
  return Buffer.concat([head, body])
}

const int16 = (value: number) => Buffer.from([value >> 8, value & 255])
const int32 = (value: number) => Buffer.concat([int16(value >> 16), int16(value & 65_535)])
const readyForQuery = message('Z', 'I')

/** A server that does not know the password. */
export function refusesPasswords(): Promise<StandIn> {
  const refusal = 'SFATAL\0VFATAL\0C28P01\0Mpassword authentication failed for user "hourglass"\0\0'
  return standIn(socket => {
    socket.once('data', () => socket.end(message('E', refusal)))
  })
}

/** A server that lets everybody in and answers every query with its version, as a number. */
export function hasVersion(version: string): Promise<StandIn> {
  const column = [int32(0), int16(0), int32(25), int16(65_535), int32(-1), int16(0)]
  const answer = Buffer.concat([
    message('T', int16(1), 'server_version_num\0', ...column),
    message('D', int16(1), int32(version.length), version),
    message('C', 'SHOW\0'),
    readyForQuery,
  ])
  return standIn(socket => {
    socket.once('data', () => {
      socket.write(Buffer.concat([message('R', int32(0)), readyForQuery]))
      socket.on('data', data => {
        if (data[0] === 'Q'.charCodeAt(0)) socket.write(answer)
      })
    })
  })
}

/** A wire to the real server at `url`, which breaks where `breaksAt` says so of what is sent. */
export function wireTo(
  url: string,
  breaksAt: (sent: Buffer) => boolean = () => false,
): Promise<StandIn> {
  const { hostname, port } = new URL(url)
  return standIn(socket => {
    const server = connect(Number(port || 5432), hostname)
    server.pipe(socket)
    socket.on('data', sent => {
      if (breaksAt(sent)) socket.destroy()
      else server.write(sent)
    })
    socket.on('close', () => server.destroy())
    server.on('close', () => socket.destroy())
    server.on('error', () => socket.destroy())
  })
}

async function standIn(serve: (socket: Socket) => void): Promise<StandIn> {
  const sockets = new Set<Socket>()
  const server: Server = createServer(socket => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    socket.on('error', () => undefined)
    serve(socket)
  })
  await new Promise<void>(resolve => {
    server.listen(0, '127.0.0.1', resolve)
  })
  const cut = () => {
    for (const socket of sockets) socket.destroy()
  }
  return {
    port: (server.address() as AddressInfo).port,
    cut,
    stop() {
      cut()
      return new Promise(resolve => {
        server.close(() => resolve())
      })
    },
  }
}
