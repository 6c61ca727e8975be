/** Where a request comes from. */
import type { Socket } from 'node:net'
import type { Request } from 'express'
import ipaddr from 'ipaddr.js'

/**
 * The address of the client; if a proxy that the config trusts has passed the request on, what its
 * `X-Forwarded-For` says. Empty if the client has hung up.
 */
export function addressOf(request: Request): string {
  if (request.headers['x-forwarded-for'] !== undefined) return normalised(request.ip)
  // A connection comes from one place as long as it lasts, and bears many requests.
  const { socket } = request
  let address = addresses.get(socket)
  if (address === undefined) {
    address = normalised(socket.remoteAddress)
    addresses.set(socket, address)
  }
  return address
}

const addresses = new WeakMap<Socket, string>()

function normalised(address = ''): string {
  return ipaddr.isValid(address) ? ipaddr.process(address).toString() : ''
}

/** What limits count by: of IPv6 the network, because whoever has one address has all of it. */
export function networkOf(request: Request): string {
  const address = addressOf(request)
  if (!ipaddr.IPv6.isValid(address)) return address
  return `${ipaddr.IPv6.parse(address).parts.slice(0, 4).join(':')}`
}
