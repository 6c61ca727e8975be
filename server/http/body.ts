/** Reading a JSON body: after the token has been checked, and without trusting a byte of it. */
import { isUtf8 } from 'node:buffer'
import express, { type Request, type Response } from 'express'
import type { Context } from '../context.ts'
import {
  holdsInfinity,
  isDeeperThan,
  isJsonObject,
  type JsonObject,
  type JsonValue,
} from '../lib/json.ts'
import { badJson, notJson, tooLarge, unknown } from '../matrix/errors.ts'

/** Deeper than any event or request has reason to be; what walks JSON by recursion is safe. */
const maxDepth = 200

/**
 * The body as a JSON object, whatever its content type says: clients often send none.
 *
 * @param isOptional no body at all counts as `{}`
 * @throws 400 M_NOT_JSON not UTF-8 or not JSON · 400 M_BAD_JSON not an object, nested too deep, or with a
 *   number beyond all bounds · 413 M_TOO_LARGE
 */
export async function readJson(
  ctx: Context,
  request: Request,
  response: Response,
  isOptional = false,
): Promise<JsonObject> {
  const bytes = await readBytes(ctx, request, response)
  if (bytes.length === 0) {
    if (isOptional) return {}
    throw notJson('The body is missing')
  }
  if (!isUtf8(bytes)) throw notJson('The body is not UTF-8')
  let value: JsonValue
  try {
    value = JSON.parse(bytes.toString('utf8')) as JsonValue
  } catch {
    throw notJson()
  }
  if (!isJsonObject(value)) throw badJson('The body is not a JSON object')
  if (bytes.length > maxDepth && isDeeperThan(value, maxDepth)) {
    throw badJson('The body is nested too deep')
  }
  // It would be stored as null.
  if (holdsInfinity(value)) throw badJson('The body has a number that is too large')
  return value
}

/** One parser for each limit; there is one limit a server. */
const rawParsers = new Map<number, express.Handler>()

function readBytes(ctx: Context, request: Request, response: Response): Promise<Buffer> {
  const limit = ctx.config.max_body_bytes
  const parser = rawParsers.get(limit) ?? express.raw({ type: () => true, limit })
  rawParsers.set(limit, parser)
  return new Promise((resolve, reject) => {
    parser(request, response, (error: unknown) => {
      if (error) reject(error)
      else resolve(Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0))
    })
  })
}

/**
 * A body that is not JSON, as it comes.
 *
 * @throws 413 M_TOO_LARGE it says that it is longer than `maxBytes`; whoever reads counts as well
 */
export function bytesOf(request: Request, maxBytes: number): AsyncIterable<Uint8Array> {
  if (Number(request.headers['content-length'] ?? 0) > maxBytes) {
    throw tooLarge(`The body is larger than ${maxBytes} bytes`)
  }
  return read(request)
}

/** Also whoever stops half-way wants to answer, so the connection is not closed then. */
async function* read(request: Request): AsyncGenerator<Uint8Array> {
  try {
    for await (const chunk of request.iterator({ destroyOnReturn: false })) yield chunk
  } catch (error) {
    if (request.complete) throw error
    throw unknown('The body is shorter than its Content-Length')
  } finally {
    // The rest is thrown away, so that the client gets to reading.
    request.resume()
  }
}
