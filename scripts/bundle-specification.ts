/**
 * Writes spec-tests/support/specification.json from a checkout of matrix-org/matrix-spec: of its
 * OpenAPI the answers to clients, of its event schemas the contents, without the prose. No package
 * has them.
 *
 *   node dist/scripts/bundle-specification.js <path to matrix-spec> <its version, as "v1.19">
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { parse } from 'yaml'

type Node = Record<string, unknown>

/** What decides whether a value conforms. The rest of a schema is for readers. */
const kept = {
  asItIs: [
    ...['type', 'enum', 'const', 'pattern', 'format', 'required', 'uniqueItems'],
    ...['minimum', 'maximum', 'minItems', 'maxItems', 'minLength', 'maxLength'],
  ],
  schema: ['items', 'additionalProperties', 'propertyNames', 'not'],
  schemas: ['allOf', 'anyOf', 'prefixItems'],
  named: ['properties', 'patternProperties'],
}

const files = new Map<string, unknown>()
const definitions: Record<string, unknown> = {}
const [checkout = '', version = ''] = process.argv.slice(2)

function read(file: string): unknown {
  // Some are there twice, by a symbolic link.
  const path = file.replace('api/client-server/definitions/../../../', '')
  if (!files.has(path)) files.set(path, parse(readFileSync(join(checkout, 'data', path), 'utf8')))
  return files.get(path)
}

/** What a `$ref` points to, and the file that it is in. */
function follow(ref: string, from: string): { file: string; pointer: string; target: unknown } {
  const [path = '', pointer = ''] = ref.split('#')
  const file = path === '' ? from : normalize(join(dirname(from), path))
  const steps = pointer.split('/').filter(step => step !== '')
  const target = steps.reduce((node, step) => (node as Node)[step], read(file))
  return { file, pointer, target }
}

/** @param from the file that the schema is in: references are relative to it */
function strip(schema: unknown, from: string): unknown {
  if (typeof schema !== 'object' || schema === null) return schema
  const node = schema as Node
  if (typeof node.$ref === 'string') return { $ref: define(node.$ref, from) }
  const all = (list: unknown) => (list as unknown[]).map(item => strip(item, from))
  const named = (map: unknown) =>
    Object.fromEntries(Object.entries(map as Node).map(([name, item]) => [name, strip(item, from)]))
  const stripped: Node = {}
  for (const [key, value] of Object.entries(node)) {
    if (kept.asItIs.includes(key)) stripped[key] = value
    else if (kept.schema.includes(key)) stripped[key] = strip(value, from)
    else if (kept.schemas.includes(key)) stripped[key] = all(value)
    else if (kept.named.includes(key)) stripped[key] = named(value)
    // Its forms overlap: a member event's content is an object, as any other is.
    else if (key === 'oneOf') stripped.anyOf = all(value)
  }
  return stripped
}

function define(ref: string, from: string): string {
  const { file, pointer, target } = follow(ref, from)
  const name = `${file.replace(/\.yaml$/, '')}${pointer}`.replaceAll('/', '.')
  if (!(name in definitions)) {
    definitions[name] = {}
    definitions[name] = strip(target, file)
  }
  return `#/definitions/${name}`
}

function resolve(node: unknown, from: string): { node: Node; file: string } {
  const ref = (node as Node).$ref
  if (typeof ref !== 'string') return { node: node as Node, file: from }
  const { target, file } = follow(ref, from)
  return { node: target as Node, file }
}

/** By status; null where it is not JSON. */
function answersOf(operation: Node, from: string): Node {
  return Object.fromEntries(
    Object.entries(operation.responses as Node).map(([status, declared]) => {
      const { node, file } = resolve(declared, from)
      const json = (node.content as Node | undefined)?.['application/json'] as Node | undefined
      return [status, json?.schema === undefined ? null : strip(json.schema, file)]
    }),
  )
}

function endpointsIn(file: string): [string, Node][] {
  const api = read(file) as { paths: Record<string, Node>; servers: Node[] }
  const variables = api.servers[0]?.variables as Record<string, { default?: string }>
  const base = variables.basePath?.default ?? ''
  return Object.entries(api.paths).flatMap(([path, operations]) =>
    Object.entries(operations)
      .filter(([method]) => ['get', 'post', 'put', 'delete'].includes(method))
      .map(([method, operation]): [string, Node] => [
        `${method.toUpperCase()} ${base}${path}`,
        answersOf(operation as Node, file),
      ]),
  )
}

const yamlFilesIn = (folder: string) =>
  readdirSync(join(checkout, 'data', folder))
    .filter(name => name.endsWith('.yaml'))
    .map(name => join(folder, name))

/** The content alone: where an event is found decides what else belongs to it. */
function contentIn(file: string): [string, unknown][] {
  const { properties } = read(file) as { properties?: { content?: unknown } }
  const [, type = ''] = /schema\/(.*)\.yaml$/.exec(file) ?? []
  return properties?.content === undefined ? [] : [[type, strip(properties.content, file)]]
}

const apis = [
  // Bridges are asked about third parties, and this server has none of its own.
  ...yamlFilesIn('api/client-server').filter(file => !file.includes('third_party_lookup')),
  'api/server-server/openid.yaml',
  'api/server-server/keys_server.yaml',
]
const bundle = {
  source: `https://github.com/matrix-org/matrix-spec, data/ of ${version}, without its prose and examples`,
  copyright: 'The Matrix.org Foundation C.I.C. and others; Apache License, Version 2.0',
  answers: Object.fromEntries(apis.flatMap(endpointsIn)),
  // A name with $ is one of several forms of an event.
  contents: Object.fromEntries(
    yamlFilesIn('event-schemas/schema')
      .filter(file => !file.includes('$'))
      .flatMap(contentIn),
  ),
  definitions,
}
// A line for each operation, event and definition shows what a new version changes.
const lines = Object.entries(bundle).map(([part, value]) => {
  if (typeof value === 'string') return `${JSON.stringify(part)}: ${JSON.stringify(value)}`
  const entries = Object.entries(value).map(entry =>
    entry.map(one => JSON.stringify(one)).join(': '),
  )
  return `${JSON.stringify(part)}: {\n${entries.join(',\n')}\n}`
})
writeFileSync('spec-tests/support/specification.json', `{\n${lines.join(',\n')}\n}\n`)
