/** Sets of IP addresses, as people write them into a config. */
import { BlockList, isIP, isIPv6 } from 'node:net'

/** The networks that have a name: express knows them by the same. */
export const namedRanges: Readonly<Record<string, readonly string[]>> = {
  loopback: ['127.0.0.0/8', '::1'],
  linklocal: ['169.254.0.0/16', 'fe80::/10'],
  uniquelocal: ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', 'fc00::/7'],
}

/** An address, a network as 10.0.0.0/8, or the name of one. */
export function isAddressRange(text: string): boolean {
  if (Object.hasOwn(namedRanges, text)) return true
  const [address = '', bits, ...more] = text.split('/')
  if (isIP(address) === 0 || more.length > 0) return false
  return bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= longest(address))
}

export interface AddressRanges {
  /** False for what is no address. */
  has(address: string): boolean
}

/** @param ranges each of them an address range */
export function addressRanges(ranges: readonly string[]): AddressRanges {
  const list = new BlockList()
  for (const range of ranges.flatMap(range => namedRanges[range] ?? [range])) {
    const [address = '', bits = longest(address)] = range.split('/')
    list.addSubnet(address, Number(bits), familyOf(address))
  }
  return { has: address => isIP(address) !== 0 && list.check(address, familyOf(address)) }
}

const longest = (address: string) => (isIPv6(address) ? 128 : 32)
const familyOf = (address: string) => (isIPv6(address) ? 'ipv6' : 'ipv4')
