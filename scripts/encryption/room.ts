/**
 * A process with unmodified matrix-js-sdk clients and their Rust crypto: an encrypted room, cross-
 * signing, secret storage, a key backup restored on a further device, a dehydrated device, and a
 * call with encrypted media. It writes one line of JSON, a `Report`, and ends; it fails if a step
 * takes too long.
 *
 * A process of its own, because the crypto is WebAssembly that jest's modules get in the way of.
 */
import { setTimeout } from 'node:timers/promises'
import type { MatrixClient, MatrixEvent, Room } from 'matrix-js-sdk'

interface Login {
  userId: string
  accessToken: string
  deviceId: string
}

export interface Given {
  baseUrl: string
  /** Bob's, for user-interactive authentication. */
  password: string
  phone: Login
  laptop: Login
  bob: Login
}

export interface Report {
  /** What Bob read of what Alice's phone had sent. */
  readByBob: string
  isCrossSigningReady: boolean
  isSecretStorageReady: boolean
  /** Statuses of the requests that replaced the cross-signing keys. */
  replacingKeys: number[]
  backupVersion: string
  sessionsInBackup: number
  sessionsRestored: number
  /** What the laptop read, which was not there when it was sent. */
  readByLaptop: string
  /** Does the phone trust the laptop, which signed itself with the keys from secret storage? */
  isLaptopTrusted: boolean
  /** Room keys that the laptop found with the dehydrated device. */
  roomKeysRehydrated: number
  /** Does each of two callers have the key of the other's media? */
  haveCallKeys: boolean
  /** Event types, as the server saw them, of what devices sent each other during the call. */
  sentToDevicesInCall: string[]
  /** Did the phone schedule its leave from the call? */
  isLeaveScheduled: boolean
  /** Who is in the call, as Bob sees it, after the phone was cut off. */
  stillInCall: string[]
}

const longestStepMs = 30_000
const callMemberType = 'org.matrix.msc3401.call.member'

// js-sdk 43 counts on it; Node has it since version 22. See decision 11.
const promises = Promise as unknown as { withResolvers?: () => unknown }
promises.withResolvers ??= () => {
  const parts: Record<string, unknown> = {}
  parts.promise = new Promise((resolve, reject) => Object.assign(parts, { resolve, reject }))
  return parts
}

const given: Given = JSON.parse(process.env.HOURGLASS_ENCRYPTED_ROOM ?? '{}')
const drop = () => {}
// The SDK logs what it does. What may explain a failure goes to stderr, the rest nowhere.
const keep = (...words: unknown[]) => process.stderr.write(`${words.map(String).join(' ')}\n`)
Object.assign(console, { log: drop, trace: drop, debug: drop, info: drop, warn: drop, error: keep })

const { joinCall } = await import('./call.ts')
const { ClientEvent, SyncState, createClient } = await import('matrix-js-sdk')
const { CryptoEvent } = await import('matrix-js-sdk/lib/crypto-api/index.js')

/** Alice has one key to her secret storage; a device that does not know it asks for it. */
let recoveryKey: Uint8Array<ArrayBuffer> | undefined
const statuses: number[] = []
let sessionsInBackup = 0
/** A device that is cut off reaches nobody any more. */
let cutOff: string | undefined
const sentToDevices = new Set<string>()
let isLeaveScheduled = false

async function connect({ userId, accessToken, deviceId }: Login): Promise<MatrixClient> {
  const client = createClient({
    baseUrl: given.baseUrl,
    userId,
    accessToken,
    deviceId,
    fetchFn: async (input, init) => {
      if (cutOff === deviceId) throw new TypeError('no connection')
      const response = await fetch(input, init)
      const { pathname, searchParams } = new URL(String(input))
      const [, type] = /\/sendToDevice\/([^/]+)\//.exec(pathname) ?? []
      if (type) sentToDevices.add(type)
      if (searchParams.has('org.matrix.msc4140.delay') && deviceId === given.phone.deviceId) {
        isLeaveScheduled = response.ok
      }
      if (pathname.endsWith('/keys/device_signing/upload')) statuses.push(response.status)
      if (init?.method === 'PUT' && pathname.endsWith('/room_keys/keys')) {
        sessionsInBackup = ((await response.clone().json()) as { count: number }).count
      }
      return response
    },
    cryptoCallbacks: {
      async getSecretStorageKey({ keys }) {
        const [keyId] = Object.keys(keys)
        return keyId && recoveryKey ? [keyId, recoveryKey] : null
      },
      cacheSecretStorageKey: (_keyId, _info, key) => {
        recoveryKey = key
      },
    },
  })
  await client.initRustCrypto({ useIndexedDB: false })
  const prepared = new Promise<void>(resolve => {
    client.on(ClientEvent.Sync, state => {
      if (state === SyncState.Prepared) resolve()
    })
  })
  await client.startClient({ initialSyncLimit: 20 })
  await prepared
  return client
}

/** What `look` finds, as soon as it finds something. */
async function until<T>(
  what: string,
  look: () => T | undefined | false | null | Promise<T | undefined | false | null>,
): Promise<T> {
  const endsAt = Date.now() + longestStepMs
  for (;;) {
    const found = await look()
    if (found) return found
    if (Date.now() > endsAt) throw new Error(`it never came to this: ${what}`)
    await setTimeout(25)
  }
}

function cryptoOf(client: MatrixClient) {
  const crypto = client.getCrypto()
  if (!crypto) throw new Error('the crypto is not set up')
  return crypto
}

const messageIn = (room: Room | null, eventId: string): MatrixEvent | undefined =>
  room
    ?.getLiveTimeline()
    .getEvents()
    .find(event => event.getId() === eventId)

/** The text of a message that must have come encrypted. */
async function read(client: MatrixClient, roomId: string, eventId: string): Promise<string> {
  const event = await until(`${client.getUserId()} reads ${eventId}`, () => {
    const found = messageIn(client.getRoom(roomId), eventId)
    return found?.getType() === 'm.room.message' && found
  })
  if (event.getWireType() !== 'm.room.encrypted') throw new Error('the message was not encrypted')
  return String(event.getContent().body)
}

const say = async (client: MatrixClient, roomId: string, body: string) =>
  (await client.sendTextMessage(roomId, body)).event_id

// ── an encrypted room ────────────────────────────────────────────────────────────────────────

const phone = await connect(given.phone)
const bob = await connect(given.bob)
const { room_id: roomId } = await phone.createRoom({
  invite: [given.bob.userId],
  power_level_content_override: { events: { [callMemberType]: 0 } },
  initial_state: [
    {
      type: 'm.room.encryption',
      state_key: '',
      content: { algorithm: 'm.megolm.v1.aes-sha2' },
    },
  ],
})
await until('Bob is invited', () => bob.getRoom(roomId)?.getMyMembership() === 'invite')
await bob.joinRoom(roomId)
await until('Alice sees Bob', () => phone.getRoom(roomId)?.getJoinedMemberCount() === 2)
await until('the room is encrypted', () => cryptoOf(phone).isEncryptionEnabledInRoom(roomId))
const secret = await say(phone, roomId, 'a secret')
const readByBob = await read(bob, roomId, secret)

// ── cross-signing, secret storage, key backup ────────────────────────────────────────────────

const alice = cryptoOf(phone)
const firstKeys = {
  authUploadDeviceSigningKeys: async (request: (auth: null) => Promise<void>) => request(null),
}
await alice.bootstrapCrossSigning(firstKeys)
await cryptoOf(bob).bootstrapCrossSigning(firstKeys)
await alice.bootstrapSecretStorage({
  createSecretStorageKey: () => alice.createRecoveryKeyFromPassphrase(),
  setupNewKeyBackup: true,
})
const isCrossSigningReady = await alice.isCrossSigningReady()
const isSecretStorageReady = await alice.isSecretStorageReady()
// The SDK takes up to ten seconds for it.
await until('the key is backed up', () => sessionsInBackup > 0)
const backupVersion = await alice.getActiveSessionBackupVersion()

// ── a dehydrated device, which hears what is said while only the phone is there ──────────────

await alice.startDehydration()
const overnight = await until('Bob knows the dehydrated device', async () => {
  const devices = await cryptoOf(bob).getUserDeviceInfo([given.phone.userId], true)
  const isKnown = [...(devices.get(given.phone.userId)?.values() ?? [])].some(
    device => device.dehydrated,
  )
  return isKnown && say(bob, roomId, 'said overnight')
})
await read(phone, roomId, overnight)

// ── a further device ─────────────────────────────────────────────────────────────────────────

const laptop = await connect(given.laptop)
const onLaptop = cryptoOf(laptop)
await until('the laptop knows its user', () =>
  onLaptop.userHasCrossSigningKeys(given.laptop.userId, true),
)
await onLaptop.bootstrapCrossSigning({})
await onLaptop.loadSessionBackupPrivateKeyFromSecretStorage()
await onLaptop.checkKeyBackupAndEnable()
const restored = await onLaptop.restoreKeyBackup()
const readByLaptop = await read(laptop, roomId, secret)
const isLaptopTrusted = await until('the phone trusts the laptop', async () => {
  const { userId, deviceId } = given.laptop
  return (await alice.getDeviceVerificationStatus(userId, deviceId))?.crossSigningVerified
})
let roomKeysRehydrated = 0
laptop.on(CryptoEvent.RehydrationProgress, roomKeys => {
  roomKeysRehydrated = roomKeys
})
await onLaptop.startDehydration({ rehydrate: true })

// ── a call, with media that only those who take part can decrypt ─────────────────────────────

sentToDevices.clear()
const callers = [joinCall(phone, roomId), joinCall(bob, roomId)]
const everybody = callers.map(caller => caller.userId).sort()
await until('both are in the call', () =>
  callers.every(caller => String(caller.participants()) === String(everybody)),
)
/** Each knows its own key, and the other's as the other has it. */
const haveCallKeys = await until('each has the other’s key', () =>
  everybody.every(userId => {
    const [one, other] = callers.map(caller => caller.keyOf(userId))
    return one !== undefined && one === other
  }),
)
const sentToDevicesInCall = [...sentToDevices]
cutOff = given.phone.deviceId
// The phone can send no leave now. The server has it, and nobody puts it off any more.
const stillInCall = await until('the phone is taken out of the call', () => {
  const seenByBob = callers[1]?.participants()
  return seenByBob && !seenByBob.includes(given.phone.userId) && seenByBob
})

// ── other cross-signing keys, which need a proof ─────────────────────────────────────────────

statuses.length = 0
await cryptoOf(bob).bootstrapCrossSigning({
  setupNewCrossSigning: true,
  authUploadDeviceSigningKeys: async request => {
    try {
      await request(null)
    } catch (error) {
      const { session } = (error as { data: { session: string } }).data
      const identifier = { type: 'm.id.user', user: given.bob.userId }
      const { password } = given
      await request({ type: 'm.login.password', session, identifier, password })
    }
  },
})

const report: Report = {
  readByBob,
  isCrossSigningReady,
  isSecretStorageReady,
  replacingKeys: statuses,
  backupVersion: String(backupVersion),
  sessionsInBackup: restored.total,
  sessionsRestored: restored.imported,
  readByLaptop,
  isLaptopTrusted,
  roomKeysRehydrated,
  haveCallKeys,
  sentToDevicesInCall,
  isLeaveScheduled,
  stillInCall,
}
process.stdout.write(`${JSON.stringify(report)}\n`, () => process.exit())
