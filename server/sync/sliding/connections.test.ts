import { labClock } from '../../lib/lab-clock.ts'
import { requesterNamed } from '../../rooms/test-requester.ts'
import { SlidingConnections, type ToldRoom } from './connections.ts'

const members = new Set(Array.from({ length: 99_999 }, (_, n) => `@${n}:hs1`))
/** With its members, a fifth of all that is remembered. */
const crowded: ToldRoom = {
  upTo: 1,
  firstUpTo: 1,
  isFromOutside: false,
  isDirect: false,
  state: { keys: new Map(), isLazy: false, signature: '' },
  latestEvents: 0,
  members,
}
/** As large by what is wanted of it. */
const wanted: ToldRoom = {
  ...crowded,
  state: { keys: new Map(), isLazy: false, signature: 'x'.repeat(50_000_000) },
  members: new Set(),
}
const nothing = { extensions: new Map(), upTo: 1 }

describe('connections of sliding sync', () => {
  const start = () => new SlidingConnections(labClock(1_000))
  type Connections = ReturnType<typeof start>

  const tell = (
    connections: Connections,
    name: string,
    pos: string | undefined,
    rooms: Record<string, ToldRoom> = { '!room:hs1': crowded },
  ) =>
    connections.answer(connections.begin(requesterNamed(name), '', pos), {
      ...nothing,
      rooms: new Map(Object.entries(rooms)),
    })

  const isKnown = (connections: Connections, name: string, pos: string) => {
    try {
      return connections.begin(requesterNamed(name), '', pos) !== undefined
    } catch {
      return false
    }
  }

  test.each<[string, Record<string, ToldRoom>]>([
    ['members', { '!room:hs1': crowded }],
    ['what is wanted, of several rooms the same', { '!one:hs1': wanted, '!other:hs1': wanted }],
  ])(
    'who was not asked for longest is forgotten when there is too much to remember: %s',
    (_, rooms) => {
      const connections = start()
      const names = ['a', 'b', 'c', 'd', 'e', 'f']
      const told = names.map(name => [name, tell(connections, name, undefined, rooms)] as const)
      const known = told.filter(([name, pos]) => isKnown(connections, name, pos))
      expect(known.map(([name]) => name)).toEqual(['c', 'd', 'e', 'f'])
    },
  )

  test('a room that is told again counts once, and so does an answer that was lost', () => {
    const connections = start()
    const other = tell(connections, 'other', undefined)
    let pos = tell(connections, 'busy', undefined)
    for (let i = 0; i < 10; i++) pos = tell(connections, 'busy', pos)
    for (let i = 0; i < 10; i++) tell(connections, 'busy', pos)
    expect(isKnown(connections, 'other', other)).toBe(true)
  })

  test('of a device, ten are remembered, whoever else there is', () => {
    const connections = start()
    const begin = (name: string, connId: string, pos?: string) =>
      connections.begin(requesterNamed(name), connId, pos)
    const told = (name: string, connId: string) =>
      connections.answer(begin(name, connId), { ...nothing, rooms: new Map() })
    const other = told('other', '0')
    const first = told('alice', '0')
    const second = told('alice', '1')
    for (let i = 2; i < 10; i++) told('alice', String(i))
    // What is used again is not the oldest any more.
    expect(begin('alice', '0', first).told.upTo).toBe(1)
    told('alice', '10')
    expect(() => begin('alice', '1', second)).toThrow('This connection is not known here')
    expect(begin('alice', '0', first).told.upTo).toBe(1)
    expect(begin('other', '0', other).told.upTo).toBe(1)
  })
})
