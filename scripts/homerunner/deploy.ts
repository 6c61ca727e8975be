/** One homeserver of a blueprint: started, and filled with users, rooms and events over HTTP. */
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { stringify } from 'yaml'
import type { Homeserver } from '../../server/testing/ours.ts'
import { Client } from '../../spec-tests/support/client.ts'
import { deviceKeysOf, makeKey, oneTimeKeys, upload } from '../../spec-tests/support/keys.ts'
import {
  type ApplicationServicePlan,
  CannotDeploy,
  type HomeserverPlan,
  type RoomPlan,
  type UserPlan,
  userIdOn,
} from './blueprint.ts'

/** As Homerunner answers it, in the spelling of Go. */
export interface HomeserverAnswer {
  BaseURL: string
  FedBaseURL: string
  ContainerID: string
  AccessTokens: Record<string, string>
  DeviceIDs: Record<string, string>
  /** By id, the registration as YAML. */
  ApplicationServices: Record<string, string>
}

export interface Deployed {
  readonly answer: HomeserverAnswer
  stop(): Promise<void>
}

export interface Place {
  /** What starts one. */
  start: typeof Homeserver.start
  /** Address that the homeservers listen on. */
  host: string
  /** A PostgreSQL server to use instead of the embedded database. */
  databaseUrl: string | undefined
}

const enc = encodeURIComponent
const v3 = '/_matrix/client/v3'

/** @throws what went wrong, or why it was not to be finished; then nothing of it is left */
export async function deploy(
  plan: HomeserverPlan,
  place: Place,
  signal: AbortSignal,
): Promise<Deployed> {
  const folder = await mkdtemp(join(tmpdir(), 'hourglass-homerunner-'))
  const removeFolder = () => rm(folder, { recursive: true, force: true })
  const services = plan.applicationServices.map(registrationOf)
  let server: Homeserver | undefined
  try {
    const files = await Promise.all(
      services.map(async ({ id, yaml }) => {
        const file = join(folder, `${id}.yaml`)
        await writeFile(file, yaml)
        return file
      }),
    )
    const running = await place.start({
      realTime: true,
      databaseUrl: place.databaseUrl,
      config: {
        server_name: plan.name,
        host: place.host,
        tls: { port: 0 },
        app_service_config_files: files,
      },
    })
    server = running
    const clients = await fill(plan, running.baseUrl, signal)
    const tokens = [...clients].map(([userId, { token = '' }]) => [userId, token])
    for (const { sender, asToken } of services) tokens.push([userIdOn(plan.name, sender), asToken])
    return {
      answer: {
        BaseURL: running.baseUrl,
        FedBaseURL: running.tlsUrl,
        // Nothing contains it, but who cleans up after a crash wants something to tell them apart.
        ContainerID: randomBytes(32).toString('hex'),
        AccessTokens: Object.fromEntries(tokens),
        DeviceIDs: Object.fromEntries(
          [...clients].map(([userId, { deviceId }]) => [userId, deviceId]),
        ),
        ApplicationServices: Object.fromEntries(services.map(({ id, yaml }) => [id, yaml])),
      },
      async stop() {
        await running.stop()
        await removeFolder()
      },
    }
  } catch (error) {
    await server?.stop()
    await removeFolder()
    throw error
  }
}

function registrationOf(service: ApplicationServicePlan) {
  const asToken = randomBytes(32).toString('hex')
  const yaml = stringify({
    id: service.id,
    hs_token: randomBytes(32).toString('hex'),
    as_token: asToken,
    url: service.url,
    sender_localpart: service.senderLocalpart,
    rate_limited: service.rateLimited,
    push_ephemeral: service.sendEphemeral,
    receive_ephemeral: service.sendEphemeral,
    namespaces: { users: [{ exclusive: false, regex: '.*' }], rooms: [], aliases: [] },
  })
  return { id: service.id, sender: service.senderLocalpart, asToken, yaml }
}

/** @returns the users' clients by user id, in the order of the plan */
async function fill(
  plan: HomeserverPlan,
  baseUrl: string,
  signal: AbortSignal,
): Promise<Map<string, Client>> {
  const clients = new Map<string, Client>()
  for (const user of plan.users) {
    signal.throwIfAborted()
    const client = new Client(() => baseUrl)
    await makeUser(client, user)
    clients.set(userIdOn(plan.name, user.localpart), client)
  }
  const clientOf = (name: string) => {
    const client = clients.get(userIdOn(plan.name, name))
    if (!client) throw new CannotDeploy(`${plan.name} has no user ${name}`)
    return client
  }
  const byRef = new Map<string, string>()
  for (const room of plan.rooms) await makeRoom(plan.name, room, clientOf, byRef, signal)
  return clients
}

async function makeUser(client: Client, user: UserPlan): Promise<void> {
  const localpart = user.localpart.replace(/^@/, '')
  client.password = `complement_meets_min_password_req_${localpart}`
  await client.register(localpart, user.deviceId ? { device_id: user.deviceId } : {})
  const put = (path: string, body: object) =>
    client.ok('PUT', `${v3}${path}`, { body: { ...body } })
  const me = enc(client.userId)
  if (user.displayName) await put(`/profile/${me}/displayname`, { displayname: user.displayName })
  if (user.avatarUrl) await put(`/profile/${me}/avatar_url`, { avatar_url: user.avatarUrl })
  for (const { type, key = '', value } of user.accountData) {
    await put(`/user/${me}/account_data/${enc(type ?? key)}`, value)
  }
  if (user.oneTimeKeys === 0) return
  const key = makeKey(client.deviceId)
  const ids = Array.from({ length: user.oneTimeKeys }, (_, i) => `AAAA${i}`)
  await upload(client, {
    device_keys: deviceKeysOf(client, key),
    one_time_keys: oneTimeKeys(client, key, ids),
  })
}

async function makeRoom(
  homeserverName: string,
  room: RoomPlan,
  clientOf: (name: string) => Client,
  byRef: Map<string, string>,
  signal: AbortSignal,
): Promise<void> {
  signal.throwIfAborted()
  let roomId = byRef.get(room.ref ?? '') ?? ''
  if (room.creator !== undefined) {
    roomId = await clientOf(room.creator).createRoom(room.createRoom)
    if (room.ref !== undefined) byRef.set(room.ref, roomId)
  }
  for (const { type, sender, stateKey, content } of room.events) {
    signal.throwIfAborted()
    const client = clientOf(sender)
    if (stateKey === undefined) await client.send(roomId, type, content)
    else if (type === 'm.room.member' && content.membership === 'join') await client.join(roomId)
    else {
      const isMember = type === 'm.room.member'
      const key = isMember ? userIdOn(homeserverName, stateKey) : stateKey
      await client.setState(roomId, type, key, content)
    }
  }
}
