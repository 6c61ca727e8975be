/**
 * Asking what somebody else has named, on the public internet and nowhere else: who may name
 * a URL must not reach, through us, what only we can reach.
 *
 * The address is checked when it is connected to. A check before that would be of another answer of
 * the name server than the one that is used.
 */
import { lookup } from 'node:dns'
import { type IncomingMessage, type RequestOptions, request as requestHttp } from 'node:http'
import { request as requestHttps } from 'node:https'
import { isIP, type LookupFunction } from 'node:net'
import ipaddr from 'ipaddr.js'

/** It will not be fetched, whoever asks. */
export class AddressRefused extends Error {}

const maxRedirects = 5

/** What of IPv6 is given out: the rest stands for something else, or for nothing. */
const givenOut = ipaddr.IPv6.parseCIDR('2000::/3')

/** An address that anybody can reach: not of this machine, nor of a network that is somebody's own. */
export function isPublicAddress(text: string): boolean {
  if (!ipaddr.isValid(text)) return false
  const address = ipaddr.process(text)
  if (address.range() !== 'unicast') return false
  return address instanceof ipaddr.IPv4 || address.match(givenOut)
}

/** What was found, and where in the end. The body is to be read or destroyed. */
export interface Fetched {
  url: URL
  body: IncomingMessage
}

/**
 * GET a URL, and follow where it leads.
 *
 * @throws AddressRefused not http(s), or not a public address · whatever goes wrong on the way
 */
export async function fetchPublic(
  url: URL,
  options: { allowPrivate: boolean; headers: Record<string, string>; signal: AbortSignal },
): Promise<Fetched> {
  let at = url
  for (let redirects = 0; redirects <= maxRedirects; redirects++) {
    const body = await requestPublic(at, { ...options, method: 'GET' })
    const { statusCode = 0, headers } = body
    if (statusCode >= 200 && statusCode < 300) return { url: at, body }
    body.destroy()
    if (statusCode < 300 || statusCode > 399 || headers.location === undefined) {
      throw new Error(`it answered ${statusCode}`)
    }
    at = new URL(headers.location, at)
  }
  throw new Error('it redirects too often')
}

/**
 * Ask a URL, and nothing else: a redirection is an answer as any other.
 *
 * @returns the answer, whatever its status; its body is to be read or destroyed
 * @throws AddressRefused as {@link fetchPublic}
 */
export function requestPublic(
  url: URL,
  {
    method,
    body,
    allowPrivate,
    headers,
    signal,
  }: Parameters<typeof fetchPublic>[1] & { method: 'GET' | 'POST'; body?: string },
): Promise<IncomingMessage> {
  const host = url.hostname.replace(/^\[|\]$/g, '')
  if (url.protocol !== 'http:' && url.protocol !== 'https:') throw new AddressRefused()
  // Nothing is looked up for what is an address already.
  if (!allowPrivate && isIP(host) !== 0 && !isPublicAddress(host)) throw new AddressRefused()
  const options: RequestOptions = {
    method,
    headers: { ...headers, 'Accept-Encoding': 'identity' },
    signal,
    agent: false,
    ...(allowPrivate ? {} : { lookup: lookupPublic }),
  }
  const request = url.protocol === 'https:' ? requestHttps : requestHttp
  return new Promise((resolve, reject) => {
    request(url, options, resolve).on('error', reject).end(body)
  })
}

/** As dns.lookup, for what is public. One address that is not is enough to refuse them all. */
export const lookupPublic: LookupFunction = (hostname, options, callback) => {
  lookup(hostname, { ...options, all: true }, (error, addresses) => {
    const [first] = addresses ?? []
    if (error || !first) return callback(error ?? new Error('no address'), '', 4)
    if (!addresses.every(({ address }) => isPublicAddress(address))) {
      return callback(new AddressRefused(), '', 4)
    }
    if (options.all) callback(null, addresses)
    else callback(null, first.address, first.family)
  })
}
