/** Everything that can be asked about a room, on every path that reads. */
import type { Answer, Client } from './client.ts'
import { allEndpoints } from './server.ts'
import type { Json } from './wire.ts'

const enc = encodeURIComponent

export interface Asked {
  room: string
  /** A space that the room is in. */
  space: string
  /** Events that are asked for one by one. */
  eventIds: readonly string[]
  /** What is searched for. */
  searched: string
}

export interface Question {
  method: string
  path: string
  body?: Json
}

/** Parameters that are neither the room nor an event. */
const parameters: Record<string, string> = {
  eventType: 'org.example',
  type: 'org.example',
  relType: 'm.thread',
  stateKey: '',
}

/** POSTs that only read: their bodies. */
const readingPosts: Record<string, (asked: Asked) => Json> = {
  '/_matrix/client/v3/search': ({ room, searched }) => ({
    search_categories: {
      room_events: {
        search_term: searched,
        filter: { rooms: [room], limit: 100 },
        event_context: { before_limit: 20, after_limit: 20, include_profile: true },
        include_state: true,
      },
    },
  }),
  '/_matrix/client/v3/publicRooms': () => ({ limit: 100 }),
  '/_matrix/client/unstable/org.matrix.simplified_msc3575/sync'({ room }) {
    const wish = { timeline_limit: 100, required_state: [['*', '*']] }
    return {
      lists: { all: { ranges: [[0, 99]], ...wish } },
      room_subscriptions: { [room]: wish },
      extensions: { account_data: { enabled: true }, receipts: { enabled: true } },
    }
  },
}

/** What is asked of an endpoint beside its path, to see as much as can be seen. */
const queries: Record<string, Record<string, string | number | boolean>[]> = {
  messages: [
    { dir: 'b', limit: 100 },
    { dir: 'f', limit: 100, filter: '{"lazy_load_members":true}' },
  ],
  context: [{ limit: 100, filter: '{"lazy_load_members":true}' }, { limit: 1 }],
  relations: [{ limit: 100, recurse: true }],
  timestamp_to_event: [{ ts: 0, dir: 'f' }],
  initialSync: [{ limit: 100 }],
  sync: [
    { filter: '{"room":{"include_leave":true,"timeline":{"limit":1}}}' },
    { filter: '{"room":{"include_leave":true,"timeline":{"limit":100}}}' },
    { filter: '{"room":{"timeline":{"limit":100}},"event_format":"federation"}' },
    { full_state: true, use_state_after: true },
  ],
}

/** Of every endpoint that reads, in all its spellings; a new one is asked as well. */
export function questionsAbout(asked: Asked, userId: string): Question[] {
  const { room, space, eventIds } = asked
  const hierarchy = `/_matrix/client/v1/rooms/${enc(space)}/hierarchy`
  const questions = allEndpoints().flatMap(({ method, paths }) =>
    paths.flatMap(template => {
      const body = method === 'POST' ? readingPosts[template]?.(asked) : undefined
      if (method !== 'GET' && body === undefined) return []
      const names = [...template.matchAll(/:(\w+)/g)].map(match => match[1] ?? '')
      const events = names.includes('eventId') ? eventIds : ['']
      const shapes = template.includes('{') ? [template, template.replace(/\{.*/, '')] : [template]
      return shapes.flatMap(shape =>
        events.map(eventId => ({
          method,
          ...(body === undefined ? {} : { body }),
          path: shape.replace(/[{}]/g, '').replace(/:(\w+)/g, (_, name: string) => {
            const own = { roomId: room, roomIdOrAlias: room, eventId, userId }
            return enc({ ...parameters, ...own }[name] ?? 'x')
          }),
        })),
      )
    }),
  )
  const everythingSince = `/_matrix/client/v3/events?room_id=${enc(room)}&from=s0`
  return [...questions, ...[hierarchy, everythingSince].map(path => ({ method: 'GET', path }))]
}

/** One answer for each way in which it can be asked. */
export async function ask(user: Client, { method, path, body }: Question): Promise<Answer[]> {
  const [, asked] = Object.entries(queries).find(([name]) => path.includes(`/${name}`)) ?? []
  const answers: Answer[] = []
  for (const query of asked ?? [{}]) {
    answers.push(await user.request(method, path, { query, body }))
  }
  return answers
}

/** In an answer, but not the words that one has searched for oneself. */
export function marksIn({ body }: Answer, mark: RegExp): string[] {
  const text = JSON.stringify(body, (key, value: unknown) => (key === 'highlights' ? [] : value))
  return [...new Set(text.match(mark) ?? [])]
}
