/** What Complement asks of an image, asked of its entry point without Docker. */
import { createHmac } from 'node:crypto'
import { mkdir, mkdtemp, rm, watch, writeFile } from 'node:fs/promises'
import { get } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { killPrograms, type Program, startBuilt } from '../../spec-tests/support/program.ts'
import type { JsonObject } from '../../spec-tests/support/wire.ts'
import { makeAuthority } from './authority.ts'

let folder: string
let authority: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hourglass-complement-'))
  authority = await makeAuthority(join(folder, 'complement/ca'))
  await mkdir(join(folder, 'complement/appservice'))
  const registration = [
    'id: my_as_id',
    'hs_token: hs-token',
    'as_token: as-token',
    "url: ''",
    'sender_localpart: the-bridge-user',
    'rate_limited: false',
    'de.sorunome.msc2409.push_ephemeral: false',
    'push_ephemeral: false',
    'org.matrix.msc3202: false',
    'namespaces:',
    '  users:',
    '    - exclusive: false',
    '      regex: .*',
    '  rooms: []',
    '  aliases: []',
    '',
  ]
  await writeFile(join(folder, 'complement/appservice/my_as_id.yaml'), registration.join('\n'))
})
afterAll(async () => {
  killPrograms()
  await rm(folder, { recursive: true, force: true })
})

const start = (more: Record<string, string | undefined> = {}): Program =>
  startBuilt('scripts/complement/entry-point.js', {
    SERVER_NAME: 'hs1',
    HOURGLASS_HOST: '127.0.0.1',
    HOURGLASS_PORT: '0',
    HOURGLASS_TLS_PORT: '0',
    HOURGLASS_DATA_DIR: join(folder, 'data'),
    HOURGLASS_COMPLEMENT_DIR: join(folder, 'complement'),
    ...more,
  })

/** GET over TLS; the certificate must be good for `servername`. */
function getOverTls(url: string, servername: string, ca?: string): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const options = { servername, agent: false, ...(ca ? { ca } : {}) }
    get(url, options, response => {
      response.resume()
      resolve(response.statusCode)
    }).once('error', reject)
  })
}

/** As Complement's client does. */
async function registerBySecret(url: string, username: string, isAdmin: boolean) {
  const path = `${url}/_synapse/admin/v1/register`
  const { nonce } = (await (await fetch(path)).json()) as { nonce: string }
  const password = 'complement_meets_min_password_req'
  const mac = createHmac('sha1', 'complement')
    .update([nonce, username, password, isAdmin ? 'admin' : 'notadmin'].join('\0'))
    .digest('hex')
  const body = JSON.stringify({ nonce, username, password, mac, admin: isAdmin })
  const answer = await fetch(path, { method: 'POST', body })
  return (await answer.json()) as JsonObject
}

const whoAmI = async (url: string, token: string) => {
  const headers = { Authorization: `Bearer ${token}` }
  return (await fetch(`${url}/_matrix/client/v3/account/whoami`, { headers })).json()
}

describe('the entry point of the Complement image', () => {
  test('is a server of that name, certified, and the same one when it is started again', async () => {
    const first = start()
    const url = await first.listening
    const versions = '/_matrix/client/versions'
    expect((await fetch(`${url}${versions}`)).status).toBe(200)
    const tlsUrl = /^Hourglass speaks TLS on (\S+)$/m.exec(first.printed())?.[1] ?? ''
    expect(await getOverTls(`${tlsUrl}${versions}`, 'hs1', authority)).toBe(200)
    const notOurs = { code: 'ERR_TLS_CERT_ALTNAME_INVALID' }
    await expect(getOverTls(`${tlsUrl}${versions}`, 'hs2', authority)).rejects.toMatchObject(
      notOurs,
    )
    await expect(getOverTls(`${tlsUrl}${versions}`, 'hs1')).rejects.toThrow()

    const admin = await registerBySecret(url, 'Admin', true)
    expect(admin).toMatchObject({ user_id: '@admin:hs1', device_id: expect.any(String) })
    expect(await whoAmI(url, 'as-token')).toMatchObject({ user_id: '@the-bridge-user:hs1' })
    first.kill('SIGTERM')
    expect(await first.ended).toMatchObject({ exitCode: 0 })

    const second = start()
    const again = await second.listening
    expect(await whoAmI(again, admin.access_token)).toMatchObject({ user_id: '@admin:hs1' })
    second.kill('SIGTERM')
    expect((await second.ended).exitCode).toBe(0)
  })

  test('stops when it is told to, also while it starts', async () => {
    const program = start({ HOURGLASS_DATA_DIR: join(folder, 'young') })
    for await (const { filename } of watch(folder)) if (filename === 'young') break
    program.kill('SIGTERM')
    expect(await program.ended).toEqual({ exitCode: 0, stdout: '', stderr: '' })
  })

  test.each([
    ['without a name', { SERVER_NAME: undefined }, /SERVER_NAME is not set/],
    ['without an authority', { HOURGLASS_COMPLEMENT_DIR: '/nowhere' }, /ENOENT.*ca\.crt/],
  ])('does not start %s', async (_, env, line) => {
    const ended = await start(env).ended
    expect(ended).toMatchObject({ exitCode: 1, stdout: '' })
    expect(ended.stderr).toMatch(line)
  })
})
