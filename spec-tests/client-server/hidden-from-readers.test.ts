/**
 * Nothing of a room may be seen by somebody who may not see it, whichever way they look.
 *
 * Rooms of every history visibility go through the same stages, and in each stage everything that
 * can be said carries a mark of that stage. Readers of every membership then ask every GET endpoint
 * that the server has, and every POST that only reads, about every event; a mark that they may not
 * see must not be in any answer. A new endpoint is asked as well, without anything to be done here;
 * a new POST that only reads belongs into `readingPosts` of support/readings.ts.
 */
import type { Client } from '../support/client.ts'
import { ask, marksIn, questionsAbout } from '../support/readings.ts'
import { startServer, type TestServer } from '../support/server.ts'

let server: TestServer
let alice: Client
beforeAll(async () => {
  server = await startServer()
  alice = await server.user('alice')
})
afterAll(() => server.stop())

/** 0 before the invites, 1 while invited, 2 while joined, 3 after the departure. */
const stages = ['0', '1', '2', '3'] as const
const visibilities = ['world_readable', 'shared', 'invited', 'joined'] as const
const readers = ['stranger', 'invited', 'joined', 'left', 'forgotten', 'back', 'banned'] as const
type Visibility = (typeof visibilities)[number]
type Reader = (typeof readers)[number]

/** The stages whose messages each may read, by the rules of the specification. */
const readable: Record<Visibility, Partial<Record<Reader, string>>> = {
  world_readable: {
    stranger: '0123',
    invited: '0123',
    joined: '0123',
    left: '0123',
    forgotten: '0123',
    back: '0123',
    banned: '0123',
  },
  shared: { joined: '0123', left: '012', back: '0123', banned: '012' },
  invited: { invited: '123', joined: '123', left: '12', back: '12', banned: '12' },
  joined: { joined: '23', left: '2', back: '2', banned: '2' },
}

/**
 * The stages whose state each may see: of every event that they may read, and as it stood at any
 * time at which they were in the room. Who came in, in stage 2, found the state of stage 1; who is
 * back, that of stage 3.
 */
const visibleState: Record<Visibility, Partial<Record<Reader, string>>> = {
  world_readable: readable.world_readable,
  shared: readable.shared,
  invited: { invited: '123', joined: '0123', left: '012', back: '0123', banned: '012' },
  joined: { joined: '123', left: '12', back: '123', banned: '12' },
}

type Kind = 'message' | 'reason' | 'state' | 'name'
/** Found by a search as well: a word. */
const markOf = (kind: Kind, stage: string) => `${kind}mark${stage}`

interface Story {
  room: string
  /** A public space that the room is in. */
  space: string
  users: Record<Reader, Client>
  eventIds: string[]
}

/** Anybody may come in; or only who is invited, and then nobody else is to know its name. */
type Preset = 'public_chat' | 'private_chat'

async function tell(visibility: Visibility, preset: Preset = 'public_chat'): Promise<Story> {
  const content = { history_visibility: visibility }
  const room = await alice.createRoom({
    preset,
    initial_state: [{ type: 'm.room.history_visibility', content }],
  })
  const space = await alice.createRoom({
    preset: 'public_chat',
    creation_content: { type: 'm.space' },
    initial_state: [{ type: 'm.space.child', state_key: room, content: { via: ['hs1'] } }],
  })
  const users = {} as Record<Reader, Client>
  for (const reader of readers) users[reader] = await server.user(reader)
  const doomed = [await alice.say(room, 'doomed'), await alice.say(room, 'doomed as well')]
  const root = await alice.say(room, 'root')
  const eventIds = [...doomed, root]
  const say = async (stage: string) => {
    const mark = markOf('message', stage)
    const text = { msgtype: 'm.text', body: mark }
    const related = (rel_type: string, parent: string) =>
      alice.send(room, 'm.room.message', {
        ...text,
        'm.new_content': text,
        'm.relates_to': { rel_type, event_id: parent },
      })
    await alice.say(room, mark)
    await related('m.replace', root)
    await related('m.reference', root)
    eventIds.push(
      await alice.setState(room, 'org.example', '', { mark: markOf('state', stage) }),
      await alice.setState(room, 'm.room.name', '', { name: markOf('name', stage) }),
      await related('m.thread', root),
    )
    const reason = markOf('reason', stage)
    if (stage === '0' || stage === '3') {
      await alice.redact(room, String(doomed[stage === '0' ? 0 : 1]), { reason })
    }
    await server.advance(1_000)
  }
  await say('0')
  for (const reader of readers) {
    if (reader !== 'stranger') await alice.invite(room, users[reader].userId)
  }
  await say('1')
  const members = readers.filter(reader => reader !== 'stranger' && reader !== 'invited')
  for (const reader of members) await users[reader].join(room)
  await say('2')
  for (const reader of ['left', 'forgotten', 'back'] as const) await users[reader].leave(room)
  await users.forgotten.forget(room)
  await alice.ban(room, users.banned.userId)
  await say('3')
  if (preset === 'private_chat') await alice.invite(room, users.back.userId)
  await users.back.join(room)
  return { room, space, users, eventIds }
}

const anyMark = /(message|reason|state|name)mark\d/g
const searched = [...stages].map(stage => markOf('message', stage)).join(' or ')

function allowedMarks(visibility: Visibility, preset: Preset, reader: Reader): string[] {
  const messages = [...(readable[visibility][reader] ?? '')]
  const state = [...(visibleState[visibility][reader] ?? '')]
  // An invite tells the name as it was then; and who may come in, what it is called now.
  const mayComeIn = preset === 'public_chat' || reader === 'invited'
  const names = [...state, ...(reader === 'invited' ? ['0'] : []), ...(mayComeIn ? ['3'] : [])]
  return [
    ...messages.flatMap(stage => [markOf('message', stage), markOf('reason', stage)]),
    ...state.map(stage => markOf('state', stage)),
    ...names.map(stage => markOf('name', stage)),
  ]
}

describe.each([
  ...visibilities.map(visibility => [visibility, 'public_chat'] as const),
  ['shared', 'private_chat'],
  ['joined', 'private_chat'],
] as const)('history_visibility %s in a %s', (visibility, preset) => {
  let story: Story
  beforeAll(async () => {
    story = await tell(visibility, preset)
  })

  test.each(readers)(
    'somebody %s sees what they may, and nothing else, on any path',
    async reader => {
      const user = story.users[reader]
      const allowed = new Set(allowedMarks(visibility, preset, reader))
      const seen = new Set<string>()
      for (const question of questionsAbout({ ...story, searched }, user.userId)) {
        for (const answer of await ask(user, question)) {
          expect([question.path, answer.status]).not.toEqual([question.path, 500])
          const marks = marksIn(answer, anyMark)
          for (const mark of marks) seen.add(mark)
          const leaked = marks.filter(mark => !allowed.has(mark))
          expect({ ...question, leaked }).toEqual({ ...question, leaked: [] })
        }
      }
      // To see nothing at all would be no art.
      for (const stage of readable[visibility][reader] ?? '') {
        if (reader === 'forgotten') continue
        expect([...seen]).toContain(markOf('message', stage))
      }
      if (reader === 'invited') expect([...seen]).toContain(markOf('name', '3'))
    },
  )
})

test('the paths on which a member sees something are known', async () => {
  const story = await tell('shared')
  const seeing = new Set<string>()
  for (const question of questionsAbout({ ...story, searched }, story.users.joined.userId)) {
    const answers = await ask(story.users.joined, question)
    const name = /\/(rooms\/[^/]*\/)?(\w+)[^/]*(\/|$)/.exec(question.path.slice(17))?.[2]
    if (answers.some(answer => marksIn(answer, anyMark).length > 0)) seeing.add(String(name))
  }
  expect([...seeing]).toEqual(
    expect.arrayContaining([
      ...['sync', 'event', 'context', 'messages', 'state', 'relations', 'threads', 'search'],
      ...['hierarchy', 'room_summary'],
    ]),
  )
})
