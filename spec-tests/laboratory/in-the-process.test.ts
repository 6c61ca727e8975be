/** A server inside a test: `hourglass/testing`, as somebody else's test uses it. */
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { TestAppService } from '../support/app-service.ts'
import { Client } from '../support/client.ts'
import type { Homeserver, TestUser } from '../support/server.ts'

const databaseUrl = process.env.HOURGLASS_TEST_DATABASE_URL
const whoAmI = '/_matrix/client/v3/account/whoami'
const start = (config: Record<string, unknown> = {}) =>
  hourglass.startHomeserver({ databaseUrl, config })

let hs: Homeserver
/** What a test has started besides; closed also after a failure. */
let others: Homeserver[] = []
let alice: Client
let room: string
beforeAll(async () => {
  hs = await start()
})
afterAll(() => hs.stop())
beforeEach(async () => {
  others = []
  await hs.reset()
  alice = as(await hs.user('alice'))
  room = await alice.createRoom()
})
afterEach(async () => {
  for (const server of others) await server.stop()
})

function as(user: TestUser): Client {
  const client = new Client(() => user.baseUrl)
  client.userId = user.userId
  client.deviceId = user.deviceId
  client.token = user.accessToken
  return client
}

/** The same device, on another server. */
function on(server: Homeserver, client: Client): Client {
  const { userId, deviceId, token } = client
  return as({ userId, deviceId, accessToken: token ?? '', baseUrl: server.baseUrl })
}

const delay = (client: Client, body: string, delayMs: number) =>
  client.delay(room, delayMs, 'm.room.message', { msgtype: 'm.text', body })

const say = (client: Client, body: string) =>
  client.send(room, 'm.room.message', { msgtype: 'm.text', body })

/** The next requests that servers of this process get; of the last, only its head has come by then. */
function nextRequests(count: number): Promise<ServerResponse[]> {
  const channel = 'http.server.request.start'
  const begun: ServerResponse[] = []
  return new Promise(resolve => {
    const take = (message: unknown) => {
      begun.push((message as { response: ServerResponse }).response)
      if (begun.length < count) return
      unsubscribe(channel, take)
      resolve(begun)
    }
    subscribe(channel, take)
  })
}

async function nextRequest(): Promise<ServerResponse> {
  const [response] = await nextRequests(1)
  if (!response) throw new Error('no request')
  return response
}

/** The messages of the room, oldest first. */
async function told(client: Client): Promise<unknown[]> {
  const { chunk } = await client.messages(room, { dir: 'f', limit: 100 })
  return chunk.filter(event => event.type === 'm.room.message').map(event => event.content.body)
}

describe('user', () => {
  test('is logged in at a base URL that answers', async () => {
    const user = await hs.user('bob')
    expect(user).toMatchObject({ userId: '@bob:hs1', baseUrl: hs.baseUrl })
    expect(await as(user).ok('GET', whoAmI)).toMatchObject({
      user_id: '@bob:hs1',
      device_id: user.deviceId,
    })
  })

  test('of a name that is there already is another device', async () => {
    const again = await hs.user('alice')
    expect(again.userId).toBe(alice.userId)
    expect(again.deviceId).not.toBe(alice.deviceId)
    expect(await as(again).ok('GET', '/_matrix/client/v3/joined_rooms')).toEqual({
      joined_rooms: [room],
    })
  })
})

describe('advance', () => {
  test.each([8_000, '8s', '8000ms'] as const)('%s', async duration => {
    const delayId = await delay(alice, 'now', 8_000)
    const before = hs.now()
    expect(await hs.advance(duration)).toMatchObject([
      { delay_id: delayId, outcome: 'sent', send_at: before + 8_000 },
    ])
    expect(hs.now()).toBe(before + 8_000)
  })

  test.each([
    ['1.001s', 1_001],
    ['0.0190m', 1_140],
    ['0.00001d', 864],
  ] as const)('%s is %i ms', async (text, ms) => {
    const before = hs.now()
    await hs.advance(text)
    expect(hs.now() - before).toBe(ms)
  })

  test.each([-1, 0.5, Number.NaN, '8', '8 s', 'soon', '-1s', '0.0015s', '367d'])(
    '%p is no time',
    async duration => {
      const before = hs.now()
      await expect(hs.advance(duration as number)).rejects.toThrow('is no span of time')
      expect(hs.now()).toBe(before)
    },
  )
})

describe('snapshot and restore', () => {
  test('everything is what it was: rooms, sessions, what is scheduled, and the time', async () => {
    await say(alice, 'before')
    const delayId = await delay(alice, 'later', 8_000)
    const save = await hs.snapshot()
    const before = [hs.now(), await hs.rowCounts()]
    const { baseUrl } = hs

    await hs.advance('8s')
    const bob = as(await hs.user('bob'))
    expect(await told(alice)).toEqual(['before', 'later'])

    await hs.restore(save)
    expect([hs.now(), await hs.rowCounts()]).toEqual(before)
    expect(hs.baseUrl).toBe(baseUrl)
    expect(await told(alice)).toEqual(['before'])
    expect((await bob.request('GET', whoAmI)).status).toBe(401)
    expect(await hs.advance('8s')).toMatchObject([{ delay_id: delayId, outcome: 'sent' }])
    expect(await told(alice)).toEqual(['before', 'later'])
  })

  test('what somebody had begun who has hung up is not in what is put back', async () => {
    // So long a password is hashed that all the rest of a restore takes less.
    const slow = await start({ password_hash_cost: 16 })
    others.push(slow)
    const save = await slow.snapshot()
    const register = (signal?: AbortSignal) =>
      fetch(`${slow.baseUrl}/_matrix/client/v3/register`, {
        method: 'POST',
        body: JSON.stringify({
          auth: { type: 'm.login.dummy' },
          username: 'charlie',
          password: 'of charlie',
        }),
        signal: signal ?? null,
      })
    const hangUp = new AbortController()
    const begun = nextRequest()
    const registering = register(hangUp.signal).catch(() => undefined)
    const response = await begun
    await once(response.req, 'end')
    hangUp.abort()
    await once(response, 'close')
    await registering
    await slow.restore(save)
    expect((await register()).status).toBe(200)
  })

  test('can be put back as often as one likes', async () => {
    await delay(alice, 'again', 1_000)
    const save = await hs.snapshot()
    for (let i = 0; i < 3; i++) {
      expect(await hs.advance('1s')).toHaveLength(1)
      await hs.restore(save)
    }
    expect(await told(alice)).toEqual([])
  })

  test('who waits in a long poll is let go, and hears of what comes after', async () => {
    const save = await hs.snapshot()
    await say(alice, 'undone')
    const { next_batch: since } = await alice.sync()
    const poll = alice.sync({ since, timeout: 30_000 })
    while (hs.waiting() !== 1) await new Promise(resolve => setImmediate(resolve))
    await hs.restore(save)
    const { next_batch: next } = await poll
    await say(alice, 'anew')
    const { rooms } = await alice.sync({ since: next })
    const bodies = rooms.join?.[room]?.timeline.events.map(event => event.content.body)
    expect(bodies).toEqual(['anew'])
  })

  test('a snapshot of another server is none', async () => {
    const other = await start()
    others.push(other)
    const save = await other.snapshot()
    await expect(hs.restore(save)).rejects.toThrow('no such snapshot')
    expect(await told(alice)).toEqual([])
  })
})

describe('fork', () => {
  test('is another server in the same state; each goes its own way', async () => {
    await delay(alice, 'later', 8_000)
    const branch = await hs.fork()
    others.push(branch)
    expect(branch.baseUrl).not.toBe(hs.baseUrl)
    expect(branch.now()).toBe(hs.now())

    expect(await branch.advance('8s')).toMatchObject([{ outcome: 'sent' }])
    const there = on(branch, alice)
    expect(await told(there)).toEqual(['later'])
    expect(await told(alice)).toEqual([])

    await say(alice, 'here only')
    expect(await told(there)).toEqual(['later'])
    expect(branch.now()).toBe(hs.now() + 8_000)
  })

  test('has ports of its own, wherever the other one listens', async () => {
    const portsOf = ({ baseUrl, tlsUrl }: Homeserver) =>
      [baseUrl, tlsUrl].map(url => Number(new URL(url).port))
    const before = await start({ tls: { port: 0 } })
    const ports = portsOf(before)
    await before.stop()
    const other = await start({ port: ports[0], tls: { port: ports[1] } })
    others.push(other)
    const branch = await other.fork()
    others.push(branch)
    expect(portsOf(other)).toEqual(ports)
    for (const port of portsOf(branch)) expect(ports).not.toContain(port)
  })

  test('of a snapshot is what was then', async () => {
    await say(alice, 'one')
    const save = await hs.snapshot()
    await hs.advance('1h')
    await say(alice, 'two')
    const branch = await hs.fork(save)
    others.push(branch)
    expect(await told(on(branch, alice))).toEqual(['one'])
    expect(branch.now()).toBe(save.now)
    await hs.restore(save)
  })

  test('sends messages that nobody has sent, and reads what was uploaded before', async () => {
    const upload = await alice.ok('POST', '/_matrix/media/v3/upload', {
      body: 'a file',
      headers: { 'Content-Type': 'text/plain' },
    })
    const branch = await hs.fork()
    others.push(branch)
    const there = on(branch, alice)
    await say(there, 'there')
    expect(await told(there)).toEqual(['there'])
    const [, mediaId] = /^mxc:\/\/hs1\/(.*)$/.exec(String(upload.content_uri)) ?? []
    const path = `/_matrix/client/v1/media/download/hs1/${mediaId}`
    expect(await there.request('GET', path)).toMatchObject({ status: 200, text: 'a file' })
  })
})

test('reset empties the server; its addresses and the time stay', async () => {
  const { baseUrl } = hs
  await hs.advance('1h')
  const now = hs.now()
  await hs.reset()
  expect([hs.baseUrl, hs.now()]).toEqual([baseUrl, now])
  expect((await alice.request('GET', whoAmI)).status).toBe(401)
  const counts = Object.entries(await hs.rowCounts()).filter(([, rows]) => rows > 0)
  expect(counts.map(([table]) => table)).toEqual(['migrations', 'server'])
  alice = as(await hs.user('alice'))
  room = await alice.createRoom()
  expect(await told(alice)).toEqual([])
})

describe('restart and crash', () => {
  test.each(['restart', 'crash'] as const)(
    'after a %s what fell due meanwhile has been sent, under the same address',
    async end => {
      await delay(alice, 'overdue', 8_000)
      const { baseUrl } = hs
      await hs[end]('10s')
      expect(hs.baseUrl).toBe(baseUrl)
      expect(await told(alice)).toEqual(['overdue'])
    },
  )

  test('a restart answers whoever waits', async () => {
    const { next_batch: since } = await alice.sync()
    const poll = alice.sync({ since, timeout: 30_000 })
    while (hs.waiting() !== 1) await new Promise(resolve => setImmediate(resolve))
    await hs.restart()
    expect((await poll).next_batch).toBeDefined()
  })

  test('a crash answers nobody', async () => {
    const { next_batch: since } = await alice.sync()
    const poll = alice.sync({ since, timeout: 30_000 })
    const cut = expect(poll).rejects.toThrow('socket hang up')
    while (hs.waiting() !== 1) await new Promise(resolve => setImmediate(resolve))
    await hs.crash()
    await cut
    expect(await told(alice)).toEqual([])
  })

  test('who hangs up while it is down is nobody whom it waits for', async () => {
    const other = await start()
    others.push(other)
    const user = as(await other.user('alice'))
    let goOn: () => void = () => undefined
    const untilTold = new Promise<void>(resolve => {
      goOn = resolve
    })
    let isDown = false
    const idle = () => {
      isDown = true
      return untilTold
    }
    other.accompany({ isIdle: () => true, idle })
    const restarting = other.restart()
    while (!isDown) await new Promise(setImmediate)
    const came = nextRequest()
    const hangUp = new AbortController()
    const asking = user.request('GET', whoAmI, { signal: hangUp.signal })
    const response = await came
    hangUp.abort()
    await expect(asking).rejects.toThrow('aborted')
    if (!response.closed) await once(response, 'close')
    goOn()
    await restarting
    await other.restart()
    expect((await user.request('GET', whoAmI)).status).toBe(200)
  })

  test.each(['restart', 'crash'] as const)(
    '%s for a time that is none is refused, and nothing ends',
    async end => {
      await expect(hs[end]('5 s' as '5s')).rejects.toThrow('is no span of time')
      expect((await alice.request('GET', whoAmI)).status).toBe(200)
    },
  )

  test.each<[string, (() => Promise<unknown>)[]]>([
    ['restart and restart', [() => hs.restart(), () => hs.restart()]],
    ['two crashes and a restart', [() => hs.crash(), () => hs.crash(), () => hs.restart()]],
    ['restart and restore', [() => hs.restart(), async () => hs.restore(save)]],
    ['advance and restart', [() => hs.advance('10s'), () => hs.restart('5s')]],
    ['crash and advance', [() => hs.crash('5s'), () => hs.advance('10s')]],
    ['fork and crash', [() => forked(), () => hs.crash()]],
    ['fork and reset', [() => forked(save), () => hs.reset(), () => hs.restore(save)]],
  ])('%s at once: one comes after the other', async (_, operations) => {
    save = await hs.snapshot()
    await Promise.all(operations.map(operation => operation()))
    expect((await alice.request('GET', whoAmI)).status).toBe(200)
  })
  let save: Awaited<ReturnType<Homeserver['snapshot']>>
  async function forked(from?: typeof save): Promise<void> {
    const branch = await hs.fork(from)
    others.push(branch)
    expect((await on(branch, alice).request('GET', whoAmI)).status).toBe(200)
  }

  test.each<[string, (server: Homeserver) => Promise<unknown>]>([
    ['restart', server => server.restart()],
    ['crash', server => server.crash()],
    ['advance', server => server.advance('1h')],
    ['reset', server => server.reset()],
    ['fork', async server => void others.push(await server.fork())],
  ])('stop waits for a %s that is under way, and nothing comes after it', async (_, change) => {
    const other = await start()
    await other.user('alice')
    await Promise.all([change(other), other.stop()])
    await expect(change(other)).rejects.toThrow('has stopped')
  })

  test.each(['restart', 'crash'] as const)(
    'what is asked for after a %s sees its end',
    async end => {
      const before = hs.now()
      const ending = hs[end]('5s')
      const { now } = await hs.snapshot()
      await ending
      expect(now).toBe(before + 5_000)
    },
  )

  test('whoever was told to stop takes nobody in any more', async () => {
    const other = await start()
    const advanced = other.advance('1s')
    const stopped = other.stop()
    await expect(other.advance(1)).rejects.toThrow('has stopped')
    await expect(other.user('late')).rejects.toThrow('has stopped')
    await advanced
    await stopped
  })

  test('also by the time of the machine one restart comes after the other', async () => {
    const other = await hourglass.startHomeserver({ databaseUrl, realTime: true })
    others.push(other)
    await Promise.all([other.restart(), other.crash(), other.restart()])
    expect((await fetch(`${other.baseUrl}/_matrix/client/versions`)).status).toBe(200)
  })

  test('a crash in the middle of requests leaves each done or undone, and nobody unanswered', async () => {
    const sent = Array.from({ length: 20 }, (_, i) =>
      say(alice, `${i}`).then(
        () => `${i}`,
        () => undefined,
      ),
    )
    await new Promise(resolve => setImmediate(resolve))
    await hs.crash()
    const answered = (await Promise.all(sent)).filter(body => body !== undefined)
    expect(await told(alice)).toEqual(expect.arrayContaining(answered))
    await say(alice, 'after')
    expect((await told(alice)).at(-1)).toBe('after')
  })
})

describe('fault', () => {
  type FaultOptions = Parameters<Homeserver['fault']>[0]
  afterEach(() => hs.faults.clear())

  test.each<[string, object, string]>([
    ['no fault', { kind: undefined }, 'kind'],
    ['an unknown kind', { kind: 'gremlin' }, 'kind'],
    ['a scope as it is on the wire', { user_id: '@alice:hs1' }, 'user_id'],
    ['a user who can be none', { userId: 'alice' }, 'userId'],
    ['a scope of null, which would be everybody', { userId: null }, 'userId'],
    ['a room that can be none', { roomId: '#room:hs1' }, 'roomId'],
    ['an endpoint that there is not', { endpoint: 'GET /_matrix/client/v3/snyc' }, 'endpoint'],
    ['never', { count: 0 }, 'count'],
    ['a status that is no error', { kind: 'error', status: 200 }, 'status'],
    ['no delay', { kind: 'answer_delayed' }, 'delayMs'],
    ['a delay that is text', { kind: 'answer_delayed', delayMs: '5s' }, 'delayMs'],
    ['two lines of header', { kind: 'rate_limited', retryAfter: '1\r\nX: y' }, 'retryAfter'],
  ])('%s is refused, and nothing is set', async (_, options, name) => {
    const fault = { kind: 'answer_lost', ...options } as FaultOptions
    expect(() => hs.fault(fault)).toThrow(name)
    expect(hs.faults.list()).toEqual([])
  })

  test('what is left out is as the description says', async () => {
    hs.fault({ kind: 'error' } as FaultOptions)
    const { status, body } = await alice.request('GET', whoAmI)
    expect([status, body.error]).toEqual([500, 'The laboratory broke this'])
    expect((await alice.request('GET', whoAmI)).status).toBe(200)
  })
})

test('by the time of the machine there is nothing to put aside', async () => {
  const other = await hourglass.startHomeserver({ databaseUrl, realTime: true })
  others.push(other)
  await expect(other.snapshot()).rejects.toThrow('runs in real time')
  await expect(other.reset()).rejects.toThrow('runs in real time')
})

test.each([Number.NaN, 1.5, -1, 2 ** 53])('a server cannot start at %p', async startAt => {
  await expect(hourglass.startHomeserver({ databaseUrl, startAt })).rejects.toThrow('startAt')
})

test('an empty databaseUrl, as a variable of the environment may be, is none', async () => {
  const other = await hourglass.startHomeserver({ databaseUrl: '' })
  others.push(other)
  expect((await other.user('alice')).userId).toMatch(/^@alice/)
})

test('after stop nothing listens, nothing waits, and no clock ticks', async () => {
  const other = await start({ lab: true })
  const clock = `${other.baseUrl}/_hourglass/lab/v1/clock`
  await fetch(`${clock}/run`, { method: 'POST' })
  const user = as(await other.user('alice'))
  const { next_batch: since } = await user.sync()
  const poll = user.sync({ since, timeout: 30_000 })
  while (other.waiting() !== 1) await new Promise(resolve => setImmediate(resolve))
  await other.snapshot()
  await other.stop()
  await poll
  const port = Number(new URL(other.baseUrl).port)
  const refused = await new Promise(resolve => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => resolve(undefined)).once('error', resolve)
  })
  expect(refused).toMatchObject({ code: 'ECONNREFUSED' })
  await other.stop()
})

describe("who waits for somebody else's server, which is silent", () => {
  const silent = createServer(() => asked())
  let asked: () => void
  let url: string
  let service: TestAppService
  let other: Homeserver
  let user: Client
  beforeAll(async () => {
    silent.listen(0, '127.0.0.1')
    await once(silent, 'listening')
    url = `http://127.0.0.1:${(silent.address() as AddressInfo).port}/`
    service = await TestAppService.start('silent', { url })
  })
  afterAll(async () => {
    silent.closeAllConnections()
    silent.close()
    await service.stop()
  })
  beforeEach(async () => {
    other = await start({ app_service_config_files: [service.file] })
    user = as(await other.user('alice'))
  })

  const connections = () =>
    new Promise<number>((resolve, reject) => {
      silent.getConnections((error, count) => (error ? reject(error) : resolve(count)))
    })

  describe.each<[string, number, () => string]>([
    [
      'for a page, of which they want a preview',
      502,
      () => `/_matrix/client/v1/media/preview_url?url=${encodeURIComponent(url)}`,
    ],
    [
      'for an application service, whose alias it is',
      408,
      () => `/_matrix/client/v3/directory/room/${encodeURIComponent('#_silent_x:hs1')}`,
    ],
  ])('%s', (_, status, path) => {
    test.each<'restart' | 'stop'>(['restart', 'stop'])('is answered at a %s', async end => {
      const wasAsked = new Promise<void>(resolve => {
        asked = resolve
      })
      const answer = user.request('GET', path())
      await wasAsked
      await other[end]()
      expect((await answer).status).toBe(status)
      while ((await connections()) > 0) await new Promise(setImmediate)
      await other.stop()
    })
  })
})
