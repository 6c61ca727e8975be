/**
 * `npm run complement-image [-- IMAGE]`: does the image do what Complement asks of one? Containers of
 * it are started, stopped, killed and committed, as Complement's deployer does it.
 *
 * Environment: DOCKER_HOST, where the engine is; DOCKER, another command than `docker`.
 */
import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { stringify } from 'yaml'
import { makeAuthority } from './authority.ts'
import { certify } from './certificate.ts'
import { Container, docker } from './containers.ts'

const image = process.argv[2] ?? 'complement-hourglass'
const network = `hourglass-complement-${process.pid}`
const folder = await mkdtemp(join(tmpdir(), 'hourglass-complement-'))
const complement = join(folder, 'complement')
const ca = await makeAuthority(join(complement, 'ca'))
const containers: Container[] = []
const images: string[] = []

async function containerOf(from: string): Promise<Container> {
  const container = await Container.create(from, network, complement)
  containers.push(container)
  return container
}

async function answerOf(url: string, token: string, body?: object) {
  const response = await fetch(url, {
    headers: { Authorization: `Bearer ${token}` },
    ...(body ? { method: 'POST', body: JSON.stringify(body) } : {}),
  })
  return (await response.json()) as Record<string, unknown>
}

const v3 = '/_matrix/client/v3'
const dummy = { auth: { type: 'm.login.dummy' }, username: 'alice' }

const checks: Record<string, () => Promise<void>> = {
  'it is the server of its name, and certified': async () => {
    const one = await containerOf(image)
    await one.startUp()
    const key = JSON.parse(await one.bodyOverTls('/_matrix/key/v2/server', ca))
    assert.equal(key.server_name, 'hs1')
  },

  'stopped as soon as it answers, it ends in good order': async () => {
    const one = await containerOf(image)
    await one.startUp()
    assert.equal(await one.stop(), 0)
  },

  'stopped while it starts, it ends': async () => {
    const one = await containerOf(image)
    await one.start()
    await sleep(1_000)
    assert.equal(await one.stop(), 0)
  },

  'its data outlive a stop, SIGKILL, and being committed while it runs': async () => {
    const one = await containerOf(image)
    await one.startUp()
    const { access_token: token } = await answerOf(`${one.baseUrl}${v3}/register`, '', dummy)
    const expectAlice = async (at: Container) => {
      const who = await answerOf(`${at.baseUrl}${v3}/account/whoami`, String(token))
      assert.equal(who.user_id, '@alice:hs1')
    }
    await one.stop()
    await one.startUp()
    await expectAlice(one)
    await one.kill()
    await one.startUp()
    await expectAlice(one)
    images.push(await one.commit())
    const copy = await containerOf(images[0] ?? '')
    await copy.startUp()
    await expectAlice(copy)
  },

  'it knows application services, and trusts their certificates': async () => {
    const { certificateFile, keyFile } = await certify(
      'host.docker.internal',
      join(complement, 'ca'),
      folder,
    )
    const keys = { cert: await readFile(certificateFile), key: await readFile(keyFile) }
    const bridge = createServer(keys, (_request, response) => void response.end('{}'))
    const told = new Promise<string | undefined>(resolve => {
      bridge.on('request', ({ method, headers }) => {
        if (method === 'PUT') resolve(headers.authorization)
      })
    })
    await new Promise<void>(resolve => bridge.listen(0, resolve))
    const registration = {
      id: 'my_as_id',
      hs_token: 'hs-token',
      as_token: 'as-token',
      url: `https://host.docker.internal:${(bridge.address() as AddressInfo).port}`,
      sender_localpart: 'the-bridge-user',
      rate_limited: false,
      namespaces: { users: [{ exclusive: false, regex: '.*' }], rooms: [], aliases: [] },
    }
    await mkdir(join(complement, 'appservice'))
    await writeFile(join(complement, 'appservice/my_as_id.yaml'), stringify(registration))
    const one = await containerOf(image)
    await one.startUp()
    const { access_token: token } = await answerOf(`${one.baseUrl}${v3}/register`, '', dummy)
    await answerOf(`${one.baseUrl}${v3}/createRoom`, String(token), {})
    const tooLate = sleep(10_000, 'nobody was told', { ref: false })
    assert.equal(await Promise.race([told, tooLate]), 'Bearer hs-token')
    bridge.closeAllConnections()
    bridge.close()
  },
}

const say = (line: string) => void process.stdout.write(`${line}\n`)
let failed = 0
try {
  await docker('network', 'create', network)
  for (const [name, check] of Object.entries(checks)) {
    try {
      await check()
      say(`ok      ${name}`)
    } catch (error) {
      failed += 1
      say(`FAILED  ${name}\n${error}`)
    }
  }
} finally {
  for (const container of containers) await container.remove()
  for (const one of images) await docker('rmi', one)
  await docker('network', 'rm', network)
  await rm(folder, { recursive: true })
}
say(`${Object.keys(checks).length - failed} passed, ${failed} failed`)
process.exitCode = failed > 0 ? 1 : 0
