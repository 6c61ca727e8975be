import { createHmac } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { open, writeFile } from 'node:fs/promises'
import { type AddressInfo, connect, createServer, type Server } from 'node:net'
import { join } from 'node:path'
import { hasVersion, refusesPasswords, wireTo } from './support/postgres-stand-in.ts'
import {
  breakConnectionOf,
  type Ended,
  killPrograms,
  makeStorage,
  makeStorageOn,
  runProgram,
  type Storage,
  startProgram,
} from './support/program.ts'
import { runInShell } from './support/shell.ts'

const databaseUrl = process.env.HOURGLASS_TEST_DATABASE_URL
const v3 = '/_matrix/client/v3'

let storage: Storage
beforeEach(async () => {
  storage = await makeStorage()
})
afterEach(async () => {
  killPrograms()
  await storage.remove()
})

/** Start on this test's storage and a free port. */
const start = (...flags: string[]) => startProgram([...storage.flags, '--port', '0', ...flags])

const statusOf = async (url: string) => (await fetch(`${url}/_matrix/client/versions`)).status

async function configFile(yaml: string): Promise<string> {
  const file = join(storage.folder, 'config.yaml')
  await writeFile(file, yaml)
  return file
}

async function register(url: string): Promise<string> {
  const body = JSON.stringify({ auth: { type: 'm.login.dummy' }, password: 'ever so secret' })
  const answer = await fetch(`${url}${v3}/register`, { method: 'POST', body })
  const { access_token } = (await answer.json()) as { access_token: string }
  return access_token
}

async function whoAmI(url: string, token: string): Promise<number> {
  const headers = { Authorization: `Bearer ${token}` }
  return (await fetch(`${url}${v3}/account/whoami`, { headers })).status
}

/** One line on standard error, nothing else, and this exit code. */
function expectRefusal(ended: Ended, exitCode: number, line: RegExp | string): void {
  expect(ended.stderr).toMatch(/^hourglass: [^\n]+\n$/)
  expect(ended.stderr).toMatch(line)
  expect(ended.stderr).not.toMatch(/\bat .*:\d+:\d+|node:internal|undefined|\[object/)
  expect(ended.stdout).toBe('')
  expect(ended.exitCode).toBe(exitCode)
}

function listenOnFreePort(): Promise<Server> {
  const server = createServer()
  return new Promise(resolve => {
    server.listen(0, '127.0.0.1', () => resolve(server))
  })
}

const portOf = (server: Server) => (server.address() as AddressInfo).port

describe('starting', () => {
  test('prints where it listens, answers there, and stops cleanly on SIGTERM', async () => {
    const program = start()
    const url = await program.listening
    expect(url).toMatch(/^http:\/\/127\.0\.0\.1:[1-9]\d*$/)
    expect(await statusOf(url)).toBe(200)
    program.kill('SIGTERM')
    const ended = await program.ended
    expect(ended).toMatchObject({ exitCode: 0, stderr: '' })
    expect(ended.stdout).toMatch(new RegExp(`^Hourglass is listening on ${url}$`, 'm'))
    expect(ended.stdout).toMatch(`Base URL     ${url}`)
    expect(ended.stdout).toMatch('Server name  localhost')
    expect(ended.stdout).toMatch(databaseUrl ? /Data {9}postgres/ : /Data {9}.*pglite/)
    if (databaseUrl) expect(ended.stdout).not.toContain(new URL(databaseUrl).password || '\0')
  })

  test('answers nobody before it can speak TLS, too', async () => {
    // Who starts us asks the plain port whether we are there.
    const free = await listenOnFreePort()
    const port = portOf(free)
    await new Promise(resolve => free.close(resolve))
    const pipe = join(storage.folder, 'certificate.pem')
    await runInShell([`mkfifo ${pipe}`])
    const options = { port: 0, certificate_file: pipe, key_file: pipe }
    const other = await makeStorageOn(databaseUrl, [`tls: ${JSON.stringify(options)}`])
    startProgram([...other.flags, '--port', String(port)])
    const writing = await open(pipe, 'w')
    await expect(statusOf(`http://127.0.0.1:${port}`)).rejects.toThrow()
    await writing.close()
    killPrograms()
    await other.remove()
  })

  test('the requests in the banner show a delayed event that fires', async () => {
    const program = start()
    await program.listening
    const lines = program.printed().match(/^ {2}.*\bcurl .*$/gm) ?? []
    expect(lines).toHaveLength(4)
    const printed = await runInShell(lines.map(line => line.trim()))
    expect(printed).toMatch(/^\{"delay_id":"[^"]+"\}/)
    expect(printed).toMatch('"body":"The sand has run out"')
  })

  test('also in a V8 with other options, for which nothing has been compiled', async () => {
    const program = startProgram([...storage.flags, '--port', '0'], {
      NODE_OPTIONS: '--max-old-space-size=400',
    })
    expect(await statusOf(await program.listening)).toBe(200)
    program.kill('SIGTERM')
    expect(await program.ended).toMatchObject({ exitCode: 0, stderr: '' })
  })

  test('--host and --server-name', async () => {
    const program = start('--host', 'localhost', '--server-name', 'hourglass.example:8448')
    const url = await program.listening
    const token = await register(url)
    const headers = { Authorization: `Bearer ${token}` }
    const answer = await fetch(`${url}${v3}/account/whoami`, { headers })
    expect(await answer.json()).toMatchObject({
      user_id: expect.stringMatching(/:hourglass\.example:8448$/),
    })
  })

  test('--help', async () => {
    const ended = await runProgram(['--help'])
    expect(ended).toMatchObject({ exitCode: 0, stderr: '' })
    for (const flag of [
      'config',
      'profile',
      'host',
      'port',
      'server-name',
      'data-dir',
      'database-url',
    ]) {
      expect(ended.stdout).toMatch(`--${flag} `)
    }
  })

  test('--version', async () => {
    const { version } = JSON.parse(readFileSync('package.json', 'utf8'))
    expect(await runProgram(['--version'])).toEqual({
      exitCode: 0,
      stdout: `${version}\n`,
      stderr: '',
    })
  })
})

describe('a flag counts more than the environment, and that more than the file', () => {
  const unreachable = (name: string) => `postgres://127.0.0.1:1/${name}`

  test('the file', async () => {
    const config = await configFile(`database_url: ${unreachable('file')}\n`)
    expectRefusal(await runProgram(['--config', config]), 1, '127.0.0.1:1/file')
  })

  test('the environment over the file', async () => {
    const config = await configFile(`database_url: ${unreachable('file')}\n`)
    const env = { DATABASE_URL: unreachable('env') }
    expectRefusal(await runProgram(['--config', config], env), 1, '127.0.0.1:1/env')
  })

  test('a flag over the environment', async () => {
    const env = { DATABASE_URL: unreachable('env') }
    const ended = await runProgram(['--database-url', unreachable('flag')], env)
    expectRefusal(ended, 1, '127.0.0.1:1/flag')
  })
})

describe('--profile test', () => {
  const registering = 'registrations: { per_second: 0.001, burst_count: 1 }'
  const register = async (url: string) => {
    const body = JSON.stringify({ auth: { type: 'm.login.dummy' } })
    return (await fetch(`${url}${v3}/register`, { method: 'POST', body })).status
  }
  const askForNonce = async (url: string) =>
    (await fetch(`${url}/_synapse/admin/v1/register`)).status

  /** Start with these lines in the file of options. */
  const startWith = async (settings: string[], ...flags: string[]) => {
    await storage.remove()
    storage = await makeStorageOn(databaseUrl, settings)
    return start(...flags)
  }

  test('lifts the rate limits, and takes the shared secret that test suites know', async () => {
    const program = await startWith([`rate_limits: { ${registering} }`], '--profile', 'test')
    const url = await program.listening
    expect(program.printed()).toMatch(/^ {2}Profile {6}test$/m)
    for (let n = 0; n < 3; n++) expect(await register(url)).toBe(200)
    expect(await askForNonce(url)).toBe(200)
  })

  test('what is set explicitly wins, also in the file, and also within a group', async () => {
    const limits = `rate_limits: { enabled: true, ${registering} }`
    const program = await startWith(['profile: test', limits, 'registration_shared_secret: mine'])
    const url = await program.listening
    expect([await register(url), await register(url)]).toEqual([200, 429])
    const { nonce } = (await (await fetch(`${url}/_synapse/admin/v1/register`)).json()) as {
      nonce: string
    }
    const mac = createHmac('sha1', 'mine').update(`${nonce}\0root\0secret\0admin`).digest('hex')
    const body = JSON.stringify({ nonce, username: 'root', password: 'secret', mac, admin: true })
    const made = await fetch(`${url}/_synapse/admin/v1/register`, { method: 'POST', body })
    expect(made.status).toBe(200)
  })

  test('without it there is no shared secret, and there are limits', async () => {
    const program = await startWith([`rate_limits: { ${registering} }`])
    const url = await program.listening
    expect(program.printed()).not.toMatch('Profile')
    expect([await register(url), await register(url)]).toEqual([200, 429])
    expect(await askForNonce(url)).toBe(404)
  })
})

describe('a wrong command line', () => {
  test.each([
    [['--prot', '8008'], /unknown option --prot \(did you mean --port\?\)/],
    [['--frobnicate'], /unknown option --frobnicate;/],
    [['-x'], /-x/],
    [['--port'], /--port/],
    [['--port', '--host', 'x'], /--port/],
    [['--port', 'http'], /--port: http is not a port number/],
    [['--port', '65536'], /--port: /],
    [['--port', '-1'], /--port/],
    [['--host', ''], /--host: /],
    [['--profile', 'tset'], /--profile: .*"test"/],
    [['--server-name', 'not a name'], /--server-name: is not a Matrix server name/],
    [['--database-url', 'mysql://localhost/x'], /--database-url: must begin with postgres/],
    [['start'], /start/],
  ])('%j', async (flags, line) => {
    expectRefusal(await runProgram(flags), 2, line)
  })
})

describe('hourglass admin', () => {
  const dataDir = () => join(storage.folder, 'admin')
  const admin = (...args: string[]) => runProgram(['admin', ...args, '--data-dir', dataDir()])
  const json = async (...args: string[]) =>
    JSON.parse((await admin(...args, '--json')).stdout) as Record<string, unknown>
  const logIn = async (url: string, user: string, password: unknown) => {
    const identifier = { type: 'm.id.user', user }
    const body = JSON.stringify({ type: 'm.login.password', identifier, password })
    const response = await fetch(`${url}${v3}/login`, { method: 'POST', body })
    return { status: response.status, body: (await response.json()) as Record<string, string> }
  }

  let url: string
  let token = ''
  let program: ReturnType<typeof start>
  beforeEach(async () => {
    program = start('--data-dir', dataDir(), '--server-name', 'by.hand')
    url = await program.listening
  })
  const post = async (path: string, body: object, method = 'POST') => {
    const headers = { Authorization: `Bearer ${token}` }
    const response = await fetch(`${url}${v3}${path}`, {
      method,
      headers,
      body: JSON.stringify(body),
    })
    return (await response.json()) as Record<string, string>
  }

  test('makes users and resets passwords, while the server runs', async () => {
    const made = await admin('create-user', 'alice', '--password', 'first', '--admin')
    expect(made).toEqual({
      exitCode: 0,
      stdout: 'user_id   @alice:by.hand\npassword  first\nadmin     true\n',
      stderr: '',
    })
    const first = await logIn(url, 'alice', 'first')
    expectRefusal(
      await admin('create-user', '@alice:by.hand'),
      1,
      '@alice:by.hand is there already',
    )
    const reset = await json('reset-password', 'alice', '--keep-devices')
    expect((await logIn(url, 'alice', 'first')).status).toBe(403)
    expect((await logIn(url, 'alice', reset.password)).status).toBe(200)
    expect(await whoAmI(url, first.body.access_token ?? '')).toBe(200)
    expectRefusal(await admin('reset-password', 'bob'), 1, 'refuses: There is no user @bob:by.hand')
    expect((await admin('list-users')).stdout).toMatch(/^@alice:by\.hand +- +true( +false){4}$/m)

    token = first.body.access_token ?? ''
    const identifier = { type: 'm.id.user', user: 'alice' }
    const auth = { type: 'm.login.password', identifier, password: reset.password }
    await post('/account/deactivate', { auth })
    expect((await admin('list-users')).stdout).toMatch(
      /^@alice:by\.hand +- +true +false +true( +false){2}$/m,
    )
  })

  test('closes accounts, and has what they said erased', async () => {
    token = await register(url)
    const { room_id: roomId = '' } = await post('/createRoom', { preset: 'public_chat' })
    const room = `/rooms/${encodeURIComponent(roomId)}`
    const owner = token
    const comeAs = async (name: string) => {
      await admin('create-user', name, '--password', 'sand')
      token = (await logIn(url, name, 'sand')).body.access_token ?? ''
      await post(`${room}/join`, {})
    }
    await comeAs('bob')
    const { event_id: eventId = '' } = await post(`${room}/send/m.test/1`, { body: 'x' }, 'PUT')
    const closed = await admin('deactivate-user', 'bob', '--erase')
    expect(closed.stdout).toBe('user_id  @bob:by.hand\nerased   true\n')
    expect((await logIn(url, 'bob', 'sand')).status).toBe(403)
    await comeAs('carol')
    const contentFor = async (reader: string) => {
      const path = `${url}${v3}${room}/event/${encodeURIComponent(eventId)}`
      const response = await fetch(path, { headers: { Authorization: `Bearer ${reader}` } })
      return ((await response.json()) as { content: object }).content
    }
    expect([await contentFor(owner), await contentFor(token)]).toEqual([{ body: 'x' }, {}])
    expectRefusal(await admin('deactivate-user', 'dave'), 1, 'refuses: There is no user')
  })

  test('locks and suspends accounts, and takes that back', async () => {
    await admin('create-user', 'bob', '--password', 'sand')
    expect((await admin('lock-user', 'bob')).stdout).toBe('user_id  @bob:by.hand\nlocked   true\n')
    expect((await logIn(url, 'bob', 'sand')).status).toBe(401)
    await admin('unlock-user', 'bob')
    token = (await logIn(url, 'bob', 'sand')).body.access_token ?? ''
    await admin('suspend-user', 'bob')
    expect(await post('/createRoom', {})).toMatchObject({ errcode: 'M_USER_SUSPENDED' })
    await admin('unsuspend-user', 'bob')
    expect(await post('/createRoom', {})).toHaveProperty('room_id')
    expectRefusal(await admin('lock-user', 'dave'), 1, 'refuses: There is no user')
  })

  test('lists rooms and delayed events, and no secret of theirs', async () => {
    token = await register(url)
    const { room_id: roomId = '' } = await post('/createRoom', { name: 'a\u001b[2Jb' })
    const path = `/rooms/${encodeURIComponent(roomId)}/send/m.test/1`
    const query = '?org.matrix.msc4140.delay=60000'
    const { delay_id: delayId = '' } = await post(`${path}${query}`, { body: 'secret' }, 'PUT')
    expect(delayId).not.toBe('')

    const rooms = (await admin('list-rooms')).stdout
    expect(rooms).toMatch(/^room_id +name +canonical_alias +joined_members +version +creator\n/)
    expect(rooms).toContain(`${roomId}  a\\u{1b}[2Jb  -`)
    for (const listed of [
      (await admin('list-delayed-events', '--all')).stdout,
      JSON.stringify(await json('list-delayed-events')),
    ]) {
      expect(listed).toContain(roomId)
      expect(listed).not.toContain(delayId)
      expect(listed).not.toContain('secret')
    }
  })

  test('deletes rooms, also from elsewhere with the token of an administrator', async () => {
    await admin('create-user', 'alice', '--password', 'first', '--admin')
    token = (await logIn(url, 'alice', 'first')).body.access_token ?? ''
    const { room_id: roomId = '' } = await post('/createRoom', {})
    const env = { HOURGLASS_ADMIN_TOKEN: token }
    const deleted = await runProgram(['admin', 'delete-room', roomId, '--url', url], env)
    expect(deleted.stdout).toContain('kicked_users  @alice:by.hand\n')
    expect(await json('list-rooms')).toEqual([])
  })

  test('the way in is for our own user alone, and goes with the server', async () => {
    const file = join(dataDir(), 'admin.json')
    expect(statSync(file).mode & 0o777).toBe(0o600)
    const { token: operator } = JSON.parse(readFileSync(file, 'utf8')) as { token: string }
    expect(await whoAmI(url, operator)).toBe(401)
    program.kill('SIGTERM')
    await program.ended
    expect(existsSync(file)).toBe(false)
    expectRefusal(
      await admin('list-rooms'),
      1,
      `no server is running with its data in ${dataDir()}`,
    )
  })

  test('a token that is none', async () => {
    const env = { HOURGLASS_ADMIN_TOKEN: 'x' }
    const asStranger = await runProgram(['admin', 'list-rooms', '--url', url], env)
    expectRefusal(asStranger, 1, 'the server refuses: Unknown access token')
  })
})

describe('a wrong command line of hourglass admin', () => {
  test('says what it can do', async () => {
    const { exitCode, stdout } = await runProgram(['admin', '--help'])
    expect({ exitCode, stdout }).toEqual({
      exitCode: 0,
      stdout: expect.stringMatching('list-rooms'),
    })
    expect((await runProgram(['admin'])).stdout).toBe(stdout)
  })

  test.each([
    [['creat-user', 'x'], 2, 'unknown command creat-user (did you mean create-user?)'],
    [['create-user'], 2, 'create-user needs a NAME'],
    [['list-rooms', 'x'], 2, 'what is x?'],
    [['list-rooms', '--block'], 2, 'list-rooms has no option --block'],
    [['list-rooms', '--url', 'http://127.0.0.1:1'], 2, 'HOURGLASS_ADMIN_TOKEN'],
    [['list-rooms', '--config', '/no.yaml'], 1, 'cannot read /no.yaml'],
    [['constructor'], 2, 'unknown command constructor'],
  ])('refused: %j', async (args, exitCode, line) => {
    expectRefusal(await runProgram(['admin', ...args]), exitCode, line)
  })

  test('nobody answers', async () => {
    const env = { HOURGLASS_ADMIN_TOKEN: 'x' }
    const nobody = ['admin', 'list-rooms', '--url', 'http://127.0.0.1:1']
    expectRefusal(await runProgram(nobody, env), 1, 'no server answers at http://127.0.0.1:1: ')
  })
})

describe('a wrong option', () => {
  test.each([
    ['prot: 8008', /config\.yaml: unknown option prot \(did you mean port\?\)/],
    ['delayed_events: { max_delay: 1 }', /did you mean max_delay_ms\?/],
    ['port: eight', /config\.yaml: port: /],
    ['server_name: "not a name"', /config\.yaml: server_name: is not a Matrix server name/],
    ['- port', /config\.yaml: is not a list of options/],
    ['port: [', /config\.yaml: /],
    ['port: 1\nport: 2', /config\.yaml: /],
    ['server_name: *example', /config\.yaml: Unresolved alias.*: example/],
    // It is a URL, whose scheme is the name of the host.
    [
      'public_base_url: matrix.example.org:8448',
      /config\.yaml: public_base_url: must begin with http/,
    ],
  ])('%j in the file', async (yaml, line) => {
    expectRefusal(await runProgram(['--config', await configFile(yaml)]), 1, line)
  })

  test('a file that does not exist', async () => {
    const ended = await runProgram(['--config', join(storage.folder, 'no.yaml')])
    expectRefusal(ended, 1, /cannot read .*no\.yaml: ENOENT/)
  })

  test('DATABASE_URL', async () => {
    expectRefusal(await runProgram([], { DATABASE_URL: 'nonsense' }), 1, /DATABASE_URL: /)
  })
})

describe('--lab', () => {
  test('lets a test hold the clock, which goes as the machine’s until then', async () => {
    const program = start('--lab')
    const clock = `${await program.listening}/_hourglass/lab/v1/clock`
    const before = Date.now()
    const read = async (answer: Promise<Response>) => (await (await answer).json()) as object
    const { now, speed } = (await read(fetch(clock))) as { now: number; speed: number }
    expect(speed).toBe(1)
    expect(now).toBeGreaterThanOrEqual(before)
    expect(now).toBeLessThanOrEqual(Date.now())
    const frozen = await read(fetch(`${clock}/freeze`, { method: 'POST' }))
    expect(await read(fetch(clock))).toEqual(frozen)
    program.kill('SIGTERM')
    expect(await program.ended).toMatchObject({ exitCode: 0, stderr: '' })
  })

  test('is not for everybody on the network: without a token it does not start', async () => {
    const ended = await start('--lab', '--host', '0.0.0.0').ended
    expectRefusal(ended, 1, 'lab: 0.0.0.0 can be reached from elsewhere: set lab_token')
  })
})

describe('an address that cannot be had', () => {
  test('a taken port; the data is as it was', async () => {
    const other = await listenOnFreePort()
    const port = String(portOf(other))
    const ended = await runProgram([...storage.flags, '--port', port])
    expectRefusal(ended, 1, `port ${port} on 127.0.0.1 is taken by another program`)
    other.close()
    expect(await statusOf(await start().listening)).toBe(200)
  })

  test('an address of another machine', async () => {
    const ended = await start('--host', '203.0.113.1').ended
    expectRefusal(ended, 1, '203.0.113.1 is not an address of this machine')
  })

  test('a name that nobody has', async () => {
    expectRefusal(await start('--host', 'nowhere.invalid').ended, 1, 'nowhere.invalid')
  })
})

describe('a database that cannot be used', () => {
  test('nobody listens there', async () => {
    const server = await listenOnFreePort()
    const port = portOf(server)
    await new Promise(resolve => server.close(resolve))
    const ended = await runProgram(['--database-url', `postgres://user:hidden@127.0.0.1:${port}/x`])
    expectRefusal(ended, 1, `cannot reach the database postgres://127.0.0.1:${port}/x: `)
    expect(ended.stderr).not.toMatch('hidden')
  })

  test('an address that is none', async () => {
    const ended = await runProgram(['--database-url', 'postgres://user:hidden@:x/y'])
    expectRefusal(ended, 1, 'cannot reach the database given: ')
    expect(ended.stderr).not.toMatch('hidden')
  })

  test('the password is wrong', async () => {
    const server = await refusesPasswords()
    const url = `postgres://hourglass:hidden@127.0.0.1:${server.port}/x`
    const ended = await runProgram(['--database-url', url])
    expectRefusal(ended, 1, 'password authentication failed for user "hourglass"')
    expect(ended.stderr).not.toMatch('hidden')
    await server.stop()
  })

  test('it is too old', async () => {
    const server = await hasVersion('130022')
    const ended = await runProgram(['--database-url', `postgres://127.0.0.1:${server.port}/x`])
    expectRefusal(ended, 1, 'is older than PostgreSQL 14')
    await server.stop()
  })

  test('the folder cannot be written to', async () => {
    const file = await configFile('')
    const ended = await runProgram(['--port', '0', '--data-dir', join(file, 'data')])
    expectRefusal(ended, 1, `cannot write to the data directory ${file}/data: ENOTDIR`)
  })

  test('the files in the folder are no database; nothing is done to them', async () => {
    const folder = join(storage.folder, 'data', 'pglite')
    mkdirSync(folder, { recursive: true })
    await writeFile(join(folder, 'PG_VERSION'), '12\n')
    const ended = await runProgram(['--port', '0', '--data-dir', join(storage.folder, 'data')])
    expectRefusal(ended, 1, 'cannot open the database in ')
    expect(readdirSync(folder)).toEqual(['PG_VERSION'])
  })

  test('its data belongs to another server name', async () => {
    const program = start('--server-name', 'first.example')
    await program.listening
    program.kill('SIGTERM')
    await program.ended
    const ended = await start('--server-name', 'second.example').ended
    expectRefusal(ended, 1, 'the data belongs to the server name first.example, not second.example')
  })
})

describe('two processes on the same data', () => {
  test('the second is refused, the first goes on', async () => {
    const first = start()
    const url = await first.listening
    const token = await register(url)
    expectRefusal(await start().ended, 1, /is in use by another process$/m)
    expect(await whoAmI(url, token)).toBe(200)
    first.kill('SIGTERM')
    expect((await first.ended).exitCode).toBe(0)
    expect(await whoAmI(await start().listening, token)).toBe(200)
  })

  test('after SIGKILL the next one starts, and what was answered is there', async () => {
    const first = start()
    const token = await register(await first.listening)
    first.kill('SIGKILL')
    await first.ended
    expect(await whoAmI(await start().listening, token)).toBe(200)
  })
})

describe('stopping', () => {
  test('while it starts, at once', async () => {
    const silent = await listenOnFreePort()
    const isStarting = new Promise(resolve => silent.once('connection', resolve))
    const port = portOf(silent)
    const program = startProgram(['--database-url', `postgres://hourglass@127.0.0.1:${port}/x`])
    await isStarting
    program.kill('SIGTERM')
    const ended = await program.ended
    silent.close()
    expect(ended).toEqual({ exitCode: 0, stdout: '', stderr: '' })
  })

  test('lets a waiting /sync go with an answer, and idle connections without one', async () => {
    const program = start()
    const url = await program.listening
    const headers = { Authorization: `Bearer ${await register(url)}` }
    const sync = (query: string) => fetch(`${url}${v3}/sync?${query}`, { headers })
    const { next_batch } = (await (await sync('')).json()) as { next_batch: string }
    const silent = connect(Number(new URL(url).port), '127.0.0.1')
    await new Promise(resolve => silent.once('connect', resolve))
    const hungUp = new Promise(resolve => silent.once('close', resolve))

    const waiting = sync(`since=${next_batch}&timeout=30000`)
    await statusOf(url)
    program.kill('SIGINT')
    expect((await waiting).status).toBe(200)
    expect((await program.ended).exitCode).toBe(0)
    await hungUp
  })

  test('a second signal does not wait for a request that is still coming in', async () => {
    const program = start()
    const url = await program.listening
    const slow = connect(Number(new URL(url).port), '127.0.0.1')
    slow.on('error', () => undefined)
    slow.write(`POST ${v3}/register HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{`)
    await statusOf(url)
    program.kill('SIGTERM')
    await new Promise(resolve => setTimeout(resolve, 700))
    program.kill('SIGTERM')
    expect((await program.ended).exitCode).toBe(1)
  })
})

if (databaseUrl) {
  const throughWire = ({ port }: { port: number }) => {
    const url = new URL(databaseUrl)
    url.hostname = '127.0.0.1'
    url.port = String(port)
    return ['--database-url', url.href]
  }
  const lost = /^hourglass: the database \S+ was lost: [^\n]+\n$/

  describe('a PostgreSQL server that goes away', () => {
    test('ends the program, with the reason', async () => {
      const wire = await wireTo(databaseUrl)
      const program = start(...throughWire(wire))
      await program.listening
      wire.cut()
      const ended = await program.ended
      expect(ended.stderr).toMatch(lost)
      expect(ended.exitCode).toBe(1)
      await wire.stop()
    })

    test('during a COMMIT: whether it was done nobody knows, so the program ends', async () => {
      let isBroken = false
      const wire = await wireTo(databaseUrl, sent => isBroken && /commit/i.test(sent.toString()))
      const program = start(...throughWire(wire))
      const url = await program.listening
      isBroken = true
      await expect(register(url)).rejects.toThrow()
      const ended = await program.ended
      expect(ended.stderr.split('\n').slice(-2).join('\n')).toMatch(lost)
      expect(ended.exitCode).toBe(1)
      await wire.stop()
    })

    test('with one busy connection only: that request breaks, the program goes on', async () => {
      const program = start()
      const url = await program.listening
      const token = await register(url)
      const { status } = await breakConnectionOf(databaseUrl, storage.schema ?? '', () =>
        fetch(`${url}${v3}/createRoom`, {
          method: 'POST',
          headers: { Authorization: `Bearer ${token}` },
          body: '{}',
        }),
      )
      expect(status).toBe(500)
      expect(await whoAmI(url, token)).toBe(200)
    })
  })
}
