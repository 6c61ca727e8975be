/** Where a request comes from. */
import type { Request } from 'express'
import ipaddr from 'ipaddr.js'

/**
 * The address of the client; if a proxy that the config trusts has passed the request on, what its
 * `X-Forwarded-For` says. Empty if the client has hung up.
 */
export function addressOf(request: Request): string {
  const address = request.ip ?? ''
  return ipaddr.isValid(address) ? ipaddr.process(address).toString() : ''
}

/** What limits count by: of IPv6 the network, because whoever has one address has all of it. */
export function networkOf(request: Request): string {
  const address = addressOf(request)
  if (!ipaddr.IPv6.isValid(address)) return address
  return `${ipaddr.IPv6.parse(address).parts.slice(0, 4).join(':')}`
}
