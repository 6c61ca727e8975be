/**
 * The package as somebody else has it: packed, unpacked into an empty folder, with its dependencies
 * beside it and nothing else. What is run here is the bundle.
 */
import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const root = fileURLToPath(new URL('..', import.meta.url))
const ours = createRequire(import.meta.url)
const databaseUrl = JSON.stringify(process.env.HOURGLASS_TEST_DATABASE_URL)
const { NODE_OPTIONS: _, ...env } = process.env
const run = promisify(execFile)

let folder: string
let bin: string

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'hourglass-outsider-'))
  const unpacked = join(folder, 'node_modules', 'hourglass')
  mkdirSync(unpacked, { recursive: true })
  await run('npm', ['pack', '--ignore-scripts', '--pack-destination', folder], { cwd: root })
  const { name, version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  await run('tar', ['xzf', `${name}-${version}.tgz`, '--strip-components=1', '-C', unpacked], {
    cwd: folder,
  })
  const manifest = JSON.parse(readFileSync(join(unpacked, 'package.json'), 'utf8'))
  bin = join(unpacked, manifest.bin.hourglass)
  for (const dependency of Object.keys(manifest.dependencies)) {
    const link = join(folder, 'node_modules', dependency)
    mkdirSync(dirname(link), { recursive: true })
    symlinkSync(join(root, 'node_modules', dependency), link)
  }
}, 60_000)

afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** A file of the outsider's. */
function write(name: string, text: string): string {
  const path = join(folder, name)
  writeFileSync(path, text)
  return path
}

function node(...args: string[]) {
  return run(process.execPath, args, { cwd: folder, env })
}

const aDay = `
  const hs = await startHomeserver({ databaseUrl: ${databaseUrl} })
  const { accessToken, baseUrl } = await hs.user('alice')
  const call = async (method, path, body) => {
    const headers = { Authorization: 'Bearer ' + accessToken }
    const answer = await fetch(baseUrl + path, { method, headers, body: JSON.stringify(body) })
    return answer.json()
  }
  const { room_id } = await call('POST', '/_matrix/client/v3/createRoom', {})
  const path = '/_matrix/client/v3/rooms/' + room_id + '/send/m.room.message/1'
  const { delay_id } = await call('PUT', path + '?org.matrix.msc4140.delay=86400000', { body: 'x' })
  const fired = await hs.advance('24h')
  const seen = fired.map(one => one.outcome + ' ' + (one.delay_id === delay_id)).join()
`

test('in node:test', async () => {
  const file = write(
    'day.test.mjs',
    `import assert from 'node:assert'
    import test from 'node:test'
    import { startHomeserver } from 'hourglass/testing'
    test('a day', async () => {
      ${aDay}
      assert.equal(seen, 'sent true')
      await hs.stop()
    })`,
  )
  const { stdout } = await node('--test', '--test-reporter=tap', file)
  expect(stdout).toContain('# pass 1\n')
})

test('in jest', async () => {
  write(
    'day.jest.mjs',
    `import { startHomeserver } from 'hourglass/testing'
    test('a day', async () => {
      ${aDay}
      expect(seen).toBe('sent true')
      await hs.stop()
    })`,
  )
  write('jest.config.json', JSON.stringify({ testMatch: ['**/*.jest.mjs'] }))
  const { stderr } = await node(
    '--experimental-vm-modules',
    ours.resolve('jest/bin/jest'),
    '--config=jest.config.json',
  )
  expect(stderr).toContain('Tests:       1 passed, 1 total')
})

test('by require', async () => {
  const file = write(
    'day.cjs',
    `const { startHomeserver } = require('hourglass/testing')
    startHomeserver({ databaseUrl: ${databaseUrl} }).then(async hs => {
      await hs.stop()
      process.stdout.write('stopped')
    })`,
  )
  expect((await node(file)).stdout).toBe('stopped')
})

test('with types; await using stops it, and what has run leaves nothing for the process to wait for', async () => {
  write('package.json', '{ "type": "module" }')
  write(
    'typed.ts',
    `import { type Fired, type Homeserver, type Snapshot, startHomeserver } from 'hourglass/testing'
    let baseUrl: string
    {
      await using hs = await startHomeserver({ databaseUrl: ${databaseUrl} })
      const user = await hs.user('alice')
      const save: Snapshot = await hs.snapshot()
      const fired: Fired[] = await hs.advance('8s')
      const own: Homeserver = hs
      own.fault({ kind: 'rate_limited', retryAfterMs: 2_000, userId: user.userId })
      own.faults.clear()
      await hs.restore(save)
      const never = async () => {
        // @ts-expect-error there is no such unit
        await hs.advance('8 years')
        // @ts-expect-error what fired is no number
        const count: number = await hs.advance(1)
        return count
      }
      baseUrl = user.baseUrl
      const timers = process.getActiveResourcesInfo().filter(one => one === 'Timeout')
      console.log(user.userId, fired.length, typeof never, timers.length)
    }
    console.log(await fetch(baseUrl).then(() => 'still there', () => 'gone'))`,
  )
  const compilerOptions = {
    module: 'nodenext',
    target: 'es2022',
    lib: ['es2022', 'esnext.disposable'],
    strict: true,
    types: ['node'],
    typeRoots: [join(root, 'node_modules', '@types')],
    outDir: 'built',
  }
  write('tsconfig.json', JSON.stringify({ compilerOptions, files: ['typed.ts'] }))
  await node(ours.resolve('typescript/bin/tsc'), '--project', folder)
  const { stdout } = await node(join(folder, 'built', 'typed.js'))
  expect(stdout).toBe('@alice:hs1 0 function 0\ngone\n')
}, 60_000)

test('as a program', async () => {
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  expect((await node(bin, '--version')).stdout).toBe(`${version}\n`)

  const child = execFile(
    process.execPath,
    [bin, '--port', '0', '--data-dir', join(folder, 'data')],
    { env },
  )
  const url = await new Promise<string>((resolve, reject) => {
    let printed = ''
    child.stdout?.on('data', chunk => {
      printed += chunk
      const line = /listening on (http:\S+)\n/.exec(printed)
      if (line?.[1] !== undefined) resolve(line[1])
    })
    child.once('exit', code => reject(new Error(`it ended with ${code}: ${printed}`)))
  })
  const ended = new Promise(resolve => child.once('exit', resolve))
  expect((await fetch(`${url}/_matrix/client/versions`)).status).toBe(200)
  child.kill('SIGTERM')
  expect(await ended).toBe(0)
}, 60_000)
