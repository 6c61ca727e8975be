/** Where the server answers otherwise than the specification's schemas say, and why. */

export interface Deviation {
  /** `PUT /_matrix/…/{name}` as the specification writes it; undefined: anywhere. */
  at?: readonly string[]
  /** The problem, as specification.ts words it. */
  what: RegExp
  /** The path as requested, with the query. */
  request?: RegExp
  /** The answer's text. */
  answer?: RegExp
  /** Who needs it. */
  why: string
}

const rooms = '/_matrix/client/v3/rooms/{roomId}'

const sending = [
  `PUT ${rooms}/send/{eventType}/{txnId}`,
  `PUT ${rooms}/state/{eventType}/{stateKey}`,
]

const downloads = ['/_matrix/client/v1/media', '/_matrix/media/v3'].flatMap(base => [
  `GET ${base}/download/{serverName}/{mediaId}`,
  `GET ${base}/download/{serverName}/{mediaId}/{fileName}`,
])

export const deviations: readonly Deviation[] = [
  {
    at: sending,
    what: /^ must have required property 'event_id'$/,
    answer: /^\{"delay_id":"/,
    why: 'MSC4140: what is scheduled has no event yet, and is answered with its `delay_id`.',
  },
  {
    at: sending,
    what: /^ must have required property 'event_id'$/,
    answer: /^\{"(io\.element\.)?(future_(group_)?id|(m\.)?send_(now|on_timeout))"/,
    why: 'MSC4140 as it was when it spoke of futures: clients of that time, where they are served.',
  },
  {
    at: ['GET /_matrix/client/v3/sync'],
    what: /\/events\/\d+ must have required property '\w+'$/,
    request: /[?&]filter=/,
    why: 'The filter asks for some members of events (`event_fields`), and is given no others.',
  },
  {
    at: ['GET /_matrix/client/v3/voip/turnServer'],
    what: /^ must have required property '(username|password|uris|ttl)'$/,
    answer: /^\{\}$/,
    why: 'There is no TURN server: matrix-js-sdk takes this for that, as from Synapse.',
  },
  {
    at: [`GET ${rooms}/joined_members`],
    what: /\/(display_name|avatar_url) must be string$/,
    answer: /:null/,
    why: 'Complement (TestRoomState) wants both to be there; as in Synapse, null is what is not set.',
  },
  {
    at: [
      'GET /_matrix/client/v3/room_keys/version',
      'GET /_matrix/client/v3/room_keys/version/{version}',
    ],
    what: /^\/algorithm must be equal to one of the allowed values/,
    why: 'The server cannot look into a backup. As in Synapse, it keeps those of other algorithms (MSC3270), too.',
  },
  {
    at: downloads,
    what: /^206 is not specified$/,
    why: 'A part of a file, for who asks for one (RFC 9110, `Range`): players skip through films that way.',
  },
  {
    what: /^502 is text\/html, not JSON$/,
    answer: /^<h1>Bad Gateway<\/h1>$/,
    why: 'A fault that a test has ordered: an answer as a proxy gives it, for clients to be tested with.',
  },
]
