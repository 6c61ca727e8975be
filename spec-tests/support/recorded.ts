/**
 * Recorded requests: a client's side of a conversation, byte for byte, and what it insists on.
 *
 *   ### name of the step
 *   POST /path/{delay} HTTP/1.1          {names} stand for what is only known when it is replayed
 *   content-length: {length}
 *
 *   {"action":"send"}
 *   === 200 {"…":"{name}"}               the answer: "..." any string; as a key: other keys may be there
 *   === 5000 ms later                    time passes
 */
import type { Json } from './wire.ts'

export type Step =
  | { name: string; request: string; status: number; answer: Json }
  | { laterMs: number }

export function parseRecording(text: string): Step[] {
  const steps: Step[] = []
  // What stands before the first mark says where it is from.
  const [, ...blocks] = text.split(/^(?=### |=== \d+ ms later$)/m)
  for (const block of blocks) {
    const later = /^=== (\d+) ms later$/m.exec(block)
    if (block.startsWith('===')) {
      steps.push({ laterMs: Number(later?.[1]) })
      continue
    }
    const match = /^### (.*)\n([\s\S]*?)^=== (\d{3}) (.*)$/m.exec(block)
    if (!match) throw new Error(`no answer is expected: ${block}`)
    const [, name = '', request = '', status, answer = ''] = match
    steps.push({ name, request, status: Number(status), answer: JSON.parse(answer) as Json })
  }
  return steps
}

/** The bytes of a request, as it stands in the recording, with what its names stand for. */
export function bytesOf(request: string, known: ReadonlyMap<string, string>): Buffer {
  const [head = '', ...rest] = request.split('\n\n')
  const body = fill(rest.join('\n\n').trim(), known)
  const length = new Map([...known, ['length', String(Buffer.byteLength(body))]])
  return Buffer.from(`${fill(head, length).trim().replaceAll('\n', '\r\n')}\r\n\r\n${body}`)
}

function fill(text: string, known: ReadonlyMap<string, string>): string {
  return text.replace(/\{([a-z]+)\}/g, (name, key) => known.get(key) ?? name)
}

/** What `expected` leaves open is taken from `actual`; the names that are new are remembered. */
export function expectation(expected: Json, actual: unknown, known: Map<string, string>): unknown {
  if (typeof expected === 'string') {
    if (expected === '...') return expect.any(String)
    const name = /^\{([a-z]+)\}$/.exec(expected)?.[1]
    if (name === undefined) return expected
    if (!known.has(name) && typeof actual === 'string') known.set(name, actual)
    return known.get(name) ?? expect.any(String)
  }
  if (Array.isArray(expected)) {
    const items = Array.isArray(actual) ? actual : []
    return expected.map((item, i) => expectation(item, items[i], known))
  }
  if (typeof expected !== 'object' || expected === null) return expected
  const { '...': open, ...keys } = expected
  const members = Object.entries(keys).map(([key, value]) => [
    key,
    expectation(value, (actual as Record<string, unknown> | undefined)?.[key], known),
  ])
  const object = Object.fromEntries(members)
  return open === undefined ? object : expect.objectContaining(object)
}
