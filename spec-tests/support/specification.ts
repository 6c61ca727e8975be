/**
 * Whether an answer is what the specification says: its own OpenAPI and event schemas, from
 * specification.json (written by scripts/bundle-specification.ts).
 *
 * Compiling them takes time. environment.mjs loads this once in a worker, and each schema is
 * compiled when it is first met.
 */
import { readFileSync } from 'node:fs'
import { Ajv2020, type ErrorObject, type ValidateFunction } from 'ajv/dist/2020.js'
import addFormats from 'ajv-formats'
import { type Deviation, deviations } from './deviations.ts'
import { PathTable } from './path-table.ts'

export interface CheckedAnswer {
  method: string
  /** As requested, with the query. */
  path: string
  status: number
  contentType: string | null
  text: string
}

interface Bundle {
  answers: Record<string, Record<string, object | null>>
  contents: Record<string, object>
}

const file = 'spec-tests/support/specification.json'
const bundle = JSON.parse(readFileSync(file, 'utf8')) as Bundle

// The bundle is a collection of schemas and no schema itself; and the formats of the specification
// (mx-user-id, …) come with a pattern that says as much.
const ajv = new Ajv2020({ strict: false, allErrors: true, logger: false })
addFormats.default(ajv)
ajv.addSchema({ $id: 'specification', ...bundle })

const operations = new PathTable<string>()
for (const operation of Object.keys(bundle.answers)) {
  const [method = '', path = ''] = operation.split(' ')
  operations.add(method, path, operation)
}
// Without a state key, and without the slash before it: the specification says so in prose.
const stateOperation = '/_matrix/client/v3/rooms/{roomId}/state/{eventType}'
for (const method of ['GET', 'PUT']) {
  operations.add(method, stateOperation, `${method} ${stateOperation}/{stateKey}`)
}

const compiled = new Map<string, ValidateFunction>()

function validatorOf(...steps: string[]): ValidateFunction {
  const pointer = steps
    .map(step => encodeURIComponent(step.replaceAll('~', '~0').replaceAll('/', '~1')))
    .join('/')
  const known = compiled.get(pointer)
  if (known) return known
  const validator = ajv.compile({ $ref: `specification#/${pointer}` })
  compiled.set(pointer, validator)
  return validator
}

const definition = (name: string) =>
  validatorOf('definitions', `api.client-server.definitions.${name}`)

/** Events whose content only the server makes. As others, a test may send what it likes. */
const serversOwn: ReadonlySet<string> = new Set([
  ...['m.room.create', 'm.receipt', 'm.typing', 'm.presence', 'm.push_rules', 'm.fully_read'],
])

/** The refusals that any endpoint may give, whether or not it lists them. */
const common = new Set([
  ...['M_FORBIDDEN', 'M_UNKNOWN_TOKEN', 'M_MISSING_TOKEN', 'M_BAD_JSON', 'M_NOT_JSON'],
  ...['M_NOT_FOUND', 'M_UNRECOGNIZED', 'M_UNKNOWN', 'M_INVALID_PARAM', 'M_MISSING_PARAM'],
  ...['M_TOO_LARGE', 'M_USER_DEACTIVATED', 'M_GUEST_ACCESS_FORBIDDEN'],
])

const met = new Set<Deviation>()

/** Those of the listed deviations that have been met in this worker. */
export function deviationsMet(): Deviation[] {
  return [...met]
}

/** What of an answer is not as specified, save what is listed in deviations.ts. */
export function findDeviations(answer: CheckedAnswer): string[] {
  const [path = ''] = answer.path.split('?')
  // An MSC has no schema, and neither has what is not Matrix.
  const operation = operations.find(answer.method, path.replace('/r0/', '/v3/'))
  if (operation === undefined) return []
  return problemsOf(operation, answer).filter(problem => !isListed(operation, problem, answer))
}

function isListed(operation: string, problem: string, { path, text }: CheckedAnswer): boolean {
  const listed = deviations.find(
    ({ at, what, request, answer }) =>
      (at === undefined || at.includes(operation)) &&
      what.test(problem) &&
      (request === undefined || request.test(path)) &&
      (answer === undefined || answer.test(text)),
  )
  if (listed) met.add(listed)
  return listed !== undefined
}

function problemsOf(operation: string, answer: CheckedAnswer): string[] {
  const { status, contentType, text } = answer
  const isRefusal = status >= 400
  const specified = bundle.answers[operation]?.[status]
  if (specified === undefined && !isRefusal) return [`${status} is not specified`]
  // Specified, as a file, a page or a redirection.
  if (specified === null && !isRefusal) return []
  if (!contentType?.startsWith('application/json')) return [`${status} is ${contentType}, not JSON`]
  const body: unknown = JSON.parse(text)
  const problems = formsOf(operation, status, body).flatMap(form =>
    form(body) ? [] : (form.errors ?? []).map(messageOf),
  )
  if (isRefusal) return [...new Set(problems)]
  return [...problems, ...eventProblems(body, type => serversOwn.has(type))]
}

/** The schemas that an answer has to meet, all of them. */
function formsOf(operation: string, status: number, body: unknown): ValidateFunction[] {
  const isListed = bundle.answers[operation]?.[status]
  const own = isListed ? [validatorOf('answers', operation, String(status))] : []
  if (status < 400) return own
  const { errcode, flows } = body as { errcode?: unknown; flows?: unknown }
  // Not every endpoint lists it that may ask for it: keys/device_signing/upload lists no 401.
  if (status === 401 && flows !== undefined) return [definition('auth_response')]
  const error = definition('errors.error')
  // A 401 for lack of a token is not the 401 that an endpoint lists as its offer of a login.
  return common.has(String(errcode)) ? [error] : [error, ...own]
}

/**
 * What of the contents of events is not as specified.
 *
 * @param value an answer, or what is in one
 * @param isChecked of which types
 * @param at where the value is in the answer, as a JSON pointer
 */
export function eventProblems(
  value: unknown,
  isChecked: (type: string) => boolean,
  at = '',
): string[] {
  if (typeof value !== 'object' || value === null) return []
  const { type, content, unsigned } = value as Record<string, unknown>
  if (typeof type !== 'string' || typeof content !== 'object' || content === null) {
    return Object.entries(value).flatMap(([key, inner]) =>
      eventProblems(inner, isChecked, `${at}/${key}`),
    )
  }
  // Of the content of a redacted event, what is left need not be enough.
  const redacted = (unsigned as Record<string, unknown> | undefined)?.redacted_because
  if (redacted !== undefined || !(type in bundle.contents) || !isChecked(type)) return []
  const validator = validatorOf('contents', type)
  if (validator(content)) return []
  return (validator.errors ?? []).map(error => `${at} ${type} ${messageOf(error)}`)
}

function messageOf(error: ErrorObject): string {
  const more = error.keyword === 'enum' ? ` ${JSON.stringify(error.params.allowedValues)}` : ''
  return `${error.instancePath} ${error.message}${more}`
}
