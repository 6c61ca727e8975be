/** The laboratory as OpenAPI 3.1 describes it; a test holds it against the endpoints and their answers. */
import type { JsonObject } from '../lib/json.ts'
import { labPath } from './door.ts'
import { firing } from './fault-scope.ts'
import { longestAdvanceMs } from './time.ts'

const milliseconds = { type: 'integer', minimum: 0, maximum: longestAdvanceMs }
const unixMs = { type: 'integer', description: 'Unix time in milliseconds.' }
const ref = (name: string) => ({ $ref: `#/components/schemas/${name}` })

/** An object with these members, all of them unless they are named as optional. */
function object(properties: JsonObject, optional: readonly string[] = []): JsonObject {
  const required = Object.keys(properties).filter(name => !optional.includes(name))
  return { type: 'object', properties, ...(required.length > 0 ? { required } : {}) }
}

/** What is misspelt would be left out, and time move by what is so by default. */
const closed = (schema: JsonObject): JsonObject =>
  schema.type === 'object' ? { ...schema, additionalProperties: false } : schema

function operation(
  summary: string,
  answer: JsonObject,
  body?: { schema: JsonObject; isOptional?: boolean },
): JsonObject {
  const refusal = { $ref: '#/components/responses/Refusal' }
  return {
    summary,
    ...(body
      ? {
          requestBody: {
            required: !body.isOptional,
            content: { 'application/json': { schema: closed(body.schema) } },
          },
        }
      : {}),
    responses: {
      200: { description: 'Done.', content: { 'application/json': { schema: answer } } },
      default: refusal,
    },
  }
}

const noBody = { schema: object({}), isOptional: true }

const paths: JsonObject = {
  '/openapi.json': { get: operation('This description.', { type: 'object' }) },
  '/clock': { get: operation('What time it is, and how fast it passes.', ref('Clock')) },
  '/clock/freeze': { post: operation('Let time stand still.', ref('Clock'), noBody) },
  '/clock/run': {
    post: operation('Let time pass by itself.', ref('Clock'), {
      schema: object(
        {
          speed: {
            type: 'number',
            minimum: 0.001,
            maximum: 100_000,
            default: 1,
            description: 'How many milliseconds pass in one of the machine’s.',
          },
        },
        ['speed'],
      ),
      isOptional: true,
    }),
  },
  '/clock/advance': {
    post: operation(
      'Move time on. All that falls due on the way is done in order, each at its moment; when the ' +
        'answer comes, /sync tells of it.',
      ref('Moved'),
      { schema: object({ ms: milliseconds }) },
    ),
  },
  '/clock/advance-until-idle': {
    post: operation(
      'Move time on until no delayed event has a time at which it is to be sent.',
      ref('MovedUntilIdle'),
      {
        schema: object(
          {
            max_ms: {
              ...milliseconds,
              description: 'No further than this. Default: twice delayed_events.max_delay_ms.',
            },
          },
          ['max_ms'],
        ),
        isOptional: true,
      },
    ),
  },
  '/clock/set': {
    post: operation('Move time on to a moment, as advance does; never back.', ref('Moved'), {
      schema: object({ now: { ...unixMs, minimum: 0 } }),
    }),
  },
  '/snapshot': {
    post: operation('Put everything aside as it is now, with the time.', ref('Snapshot'), noBody),
  },
  '/snapshot/{id}': {
    delete: {
      ...operation('Forget what was put aside.', object({})),
      parameters: [{ name: 'id', in: 'path', required: true, schema: { type: 'string' } }],
    },
  },
  '/restore': {
    post: operation(
      'Make everything what it was, and the time what it was. Long polls are let go.',
      ref('Clock'),
      { schema: object({ id: { type: 'string' } }) },
    ),
  },
  '/reset': { post: operation('Empty the server. The time stays.', ref('Clock'), noBody) },
  '/users': {
    post: operation(
      'Log a new device of each in; who does not exist is made. All or none.',
      object({ users: { type: 'array', items: ref('User') } }),
      {
        schema: object(
          {
            users: {
              type: 'array',
              items: { type: 'string', description: 'Without @ and server name.' },
              minItems: 1,
              maxItems: 1_000,
            },
            password: {
              type: 'string',
              minLength: 1,
              description: 'Of those who are made. Default: none.',
            },
          },
          ['password'],
        ),
      },
    ),
  },
}

const faultPaths: JsonObject = {
  '/faults': {
    get: operation(
      'What is to go wrong, and what has gone wrong, in order.',
      object({
        faults: { type: 'array', items: ref('Fault') },
        strikes: { type: 'array', items: ref('Strike') },
      }),
    ),
    post: operation('Order a fault.', ref('Fault'), { schema: ref('FaultOptions') }),
    delete: operation('Forget all faults and strikes.', object({})),
  },
  '/faults/{faultId}': {
    delete: {
      ...operation('Forget a fault.', object({})),
      parameters: [{ name: 'faultId', in: 'path', required: true, schema: { type: 'string' } }],
    },
  },
}

const delay = { delay_ms: { ...milliseconds, minimum: 1 } }
const endpoint = {
  type: 'string',
  description: 'Method and path as the specification writes them, without a query.',
}
const faultScope = {
  user_id: { type: 'string', pattern: '^@' },
  room_id: { type: 'string', pattern: '^!' },
  delay_id: { type: 'string', minLength: 1 },
  endpoint: { ...endpoint, not: { const: firing } },
  count: {
    type: ['integer', 'null'],
    minimum: 1,
    default: 1,
    description: 'How often; null: always.',
  },
  skip: {
    type: 'integer',
    minimum: 0,
    default: 0,
    description: 'So many that would fit are let through.',
  },
}

/** A kind of fault, with what it takes besides the scope, all of it optional unless required. */
function fault(kind: string, own: JsonObject = {}, required: readonly string[] = []): JsonObject {
  const properties = { kind: { const: kind }, ...faultScope, ...own }
  return {
    type: 'object',
    properties,
    required: ['kind', ...required],
    additionalProperties: false,
  }
}

const clock = {
  now: unixMs,
  speed: { type: 'number', minimum: 0, description: '0: time stands still.' },
}
const moved = {
  ...clock,
  fired: {
    type: 'array',
    items: ref('Fired'),
    description: 'What became of delayed events on the way, in order.',
  },
}

const schemas: JsonObject = {
  Clock: object(clock),
  Moved: object(moved),
  MovedUntilIdle: object({ ...moved, is_idle: { type: 'boolean' } }),
  Fired: object(
    {
      delay_id: { type: 'string' },
      user_id: { type: 'string' },
      room_id: { type: 'string' },
      type: { type: 'string' },
      state_key: { type: 'string', description: 'Only of a state event.' },
      outcome: { enum: ['sent', 'cancelled', 'failed'] },
      cause: { enum: ['delay', 'action', 'state_update', 'group', 'error'] },
      send_at: { ...unixMs, description: 'When it was to be sent, Unix ms.' },
      finalised_ts: { ...unixMs, description: 'When it was decided, Unix ms.' },
      event_id: { type: 'string', description: 'Only if it was sent.' },
      error: ref('Error'),
    },
    ['state_key', 'send_at', 'event_id', 'error'],
  ),
  FaultOptions: {
    oneOf: [
      fault('answer_lost'),
      fault('request_delayed', delay, ['delay_ms']),
      fault('answer_delayed', delay, ['delay_ms']),
      fault('rate_limited', {
        retry_after_ms: { type: 'integer', minimum: 1 },
        retry_after: {
          type: ['string', 'null'],
          pattern: '^[\\x20-\\x7e]*$',
          description: 'The header; null: none.',
        },
      }),
      fault('error', {
        status: { type: 'integer', minimum: 500, maximum: 599, default: 500 },
        body: { type: 'string', description: 'Sent as HTML, as proxies do.' },
      }),
      fault('connection_reset'),
      fault('serialisation_failure', {
        endpoint: {
          ...endpoint,
          description: `${endpoint.description} \`${firing}\`: what is sent because it is due.`,
        },
      }),
    ],
  },
  Fault: object({
    kind: { type: 'string' },
    id: { type: 'string' },
    left: { type: ['integer', 'null'], description: 'How often it will strike still.' },
    skip: { type: 'integer', description: 'How many it lets through before.' },
  }),
  Strike: object(
    {
      fault_id: { type: 'string' },
      kind: { type: 'string' },
      ts: { ...unixMs, description: 'By the clock of the server, Unix ms.' },
      endpoint: { type: 'string' },
      user_id: { type: 'string' },
      room_id: { type: 'string' },
      delay_id: { type: 'string' },
    },
    ['user_id', 'room_id', 'delay_id'],
  ),
  Snapshot: object({ id: { type: 'string' }, now: unixMs }),
  User: object({
    user_id: { type: 'string' },
    device_id: { type: 'string' },
    access_token: { type: 'string' },
  }),
  Error: object({ errcode: { type: 'string' }, error: { type: 'string' } }),
}

export const openApi: JsonObject = {
  openapi: '3.1.0',
  info: {
    title: 'The laboratory of Hourglass',
    version: '1',
    description: 'For tests: served with the option lab only. See server/docs/laboratory.md.',
  },
  servers: [{ url: labPath }],
  // The token is asked for if the option lab_token is set.
  security: [{}, { token: [] }],
  paths: { ...paths, ...faultPaths },
  components: {
    schemas,
    responses: {
      Refusal: {
        description: 'Refused; nothing has changed.',
        content: { 'application/json': { schema: ref('Error') } },
      },
    },
    securitySchemes: { token: { type: 'http', scheme: 'bearer' } },
  },
}
