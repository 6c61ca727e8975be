/** The blueprints that have names: those of Complement. */

type Event = { type: string; sender: string; stateKey?: string; content: object }

const person = (name: string) => ({
  localpart: `@${name.toLowerCase()}`,
  displayName: name,
})
const alice = person('Alice')
const bob = person('Bob')
const charlie = { name: 'hs2', users: [person('Charlie')] }

const createRoom = { preset: 'public_chat' }

const joins = (name: string): Event => ({
  type: 'm.room.member',
  sender: name,
  stateKey: name,
  content: { membership: 'join' },
})

const says = (name: string, body: string): Event => ({
  type: 'm.room.message',
  sender: name,
  content: { msgtype: 'm.text', body },
})

const times = <T>(count: number, make: (i: number) => T): T[] =>
  Array.from({ length: count }, (_, i) => make(i))

const messages = (senders: readonly string[], count: number): Event[] =>
  times(count, i => says(senders[i % senders.length] ?? '', `Hello world ${i}`))

const crowd = times(500, i => ({
  localpart: `@alice_${i}`,
  displayName: `Alice ${i}`,
  deviceId: `ALICEDEVICE${i}`,
  oneTimeKeys: 50,
}))
const crowdNames = crowd.map(({ localpart }) => localpart)

/** What is on the one homeserver of most of them. */
const alone = (rest: object) => [{ name: 'hs1', ...rest }]

const blueprints: Record<string, () => object[]> = {
  clean_hs: () => alone({}),
  alice: () => alone({ users: [alice] }),
  one_to_one_room: () =>
    alone({
      users: [alice, bob],
      rooms: [
        { creator: '@alice', createRoom, events: [joins('@bob'), says('@bob', 'Hello world')] },
      ],
    }),
  hs_with_application_service: () => [
    ...alone({
      users: [alice, bob],
      applicationServices: [{ id: 'my_as_id', senderLocalpart: 'the-bridge-user' }],
    }),
    charlie,
  ],
  perf_many_rooms: () =>
    alone({
      users: [alice, bob],
      rooms: times(400, i => {
        const [creator = '', guest = ''] = i % 2 ? ['@bob', '@alice'] : ['@alice', '@bob']
        return { creator, createRoom, events: [joins(guest), ...messages(['@alice', '@bob'], 20)] }
      }),
    }),
  perf_many_messages: () => [
    ...alone({
      users: [alice, bob, ...crowd],
      rooms: [
        {
          creator: '@alice',
          createRoom,
          events: [...['@bob', ...crowdNames].map(joins), ...messages(crowdNames, 1000)],
        },
      ],
    }),
    charlie,
  ],
  perf_e2ee_room: () =>
    alone({
      users: [
        { ...alice, deviceId: 'ALDJLSKJD', oneTimeKeys: 50 },
        { ...bob, deviceId: 'BOBDASLDKJ' },
        ...crowd,
      ],
      rooms: [
        {
          creator: '@alice',
          createRoom,
          events: [
            joins('@bob'),
            says('@bob', 'Hello world'),
            {
              type: 'm.room.encryption',
              sender: '@alice',
              stateKey: '',
              content: { algorithm: 'm.megolm.v1.aes-sha2' },
            },
            ...crowdNames.map(joins),
          ],
        },
      ],
    }),
  // These two are told apart from names that nobody knows: it is the rooms that cannot be had.
  federation_one_to_one_room: () => [
    ...alone({ users: [alice], rooms: [{ creator: '@alice', createRoom, ref: 'alice_room' }] }),
    { name: 'hs2', users: [bob], rooms: [{ ref: 'alice_room', events: [joins('@bob')] }] },
  ],
  federation_two_local_one_remote: () => [
    ...alone({ users: [alice, bob], rooms: [{ creator: '@alice', createRoom, ref: 'room' }] }),
    { ...charlie, rooms: [{ ref: 'room', events: [joins('@charlie')] }] },
  ],
}

/** @returns undefined: nobody knows that name */
export function knownBlueprint(name: string): object | undefined {
  const homeservers = Object.hasOwn(blueprints, name) ? blueprints[name]?.() : undefined
  return homeservers && { name, homeservers }
}
