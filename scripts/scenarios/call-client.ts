/** An unmodified matrix-js-sdk on a machine of its own, in a room with a call. */
import { ClientEvent, createClient, type MatrixClient, SyncState } from 'matrix-js-sdk'
import { type MatrixRTCSession, MatrixRTCSessionEvent } from 'matrix-js-sdk/lib/matrixrtc/index.js'
import { heartbeat } from './constants.ts'
import type { Asked, Machine } from './machine.ts'

interface TestUser {
  userId: string
  accessToken: string
  deviceId: string
}

export class CallClient {
  readonly user: TestUser
  readonly machine: Machine
  /** What the SDK gave up the call for. */
  readonly gaveUp: string[] = []
  readonly #client: MatrixClient
  #session: MatrixRTCSession | undefined

  /** @returns when it is in sync and sees the room */
  static async start(user: TestUser, machine: Machine, roomId: string): Promise<CallClient> {
    const client = new CallClient(user, machine)
    await machine.run(() => client.#start(roomId))
    return client
  }

  private constructor(user: TestUser, machine: Machine) {
    this.user = user
    this.machine = machine
    const { userId, accessToken, deviceId } = user
    const { fetch: fetchFn } = machine
    this.#client = machine.run(() =>
      createClient({ baseUrl: 'http://hs1', userId, accessToken, deviceId, fetchFn }),
    )
  }

  async #start(roomId: string): Promise<void> {
    const prepared = new Promise<void>(resolve => {
      this.#client.on(ClientEvent.Sync, state => {
        if (state === SyncState.Prepared) resolve()
      })
    })
    await this.#client.startClient({ initialSyncLimit: 20 })
    await prepared
    const room = this.#client.getRoom(roomId)
    if (!room) throw new Error(`${this.user.userId} is not in ${roomId}`)
    this.#session = this.#client.matrixRTC.getRoomSession(room)
    this.#session.on(MatrixRTCSessionEvent.MembershipManagerError, error => {
      this.gaveUp.push(String(error))
    })
  }

  /**
   * Have the SDK join the call; it does so by itself from here on.
   *
   * @param isSticky its membership is a sticky event (MSC4354), as Element Call has it in its mode "Matrix 2.0"
   */
  join({ isSticky = false } = {}): void {
    const { userId, deviceId } = this.user
    const own = { userId, deviceId, memberId: `${userId}:${deviceId}` }
    // Nobody connects to it: without media a transport is only a line in the membership.
    const livekit_service_url = 'https://livekit.invalid'
    const transport = { type: 'livekit', livekit_service_url, livekit_alias: 'x' }
    this.machine.run(() =>
      this.#session?.joinRTCSession(own, [transport], isSticky ? transport : undefined, {
        delayedLeaveEventDelayMs: heartbeat.delayMs,
        delayedLeaveEventRestartMs: heartbeat.restartMs,
        manageMediaKeys: false,
        unstableSendStickyEvents: isSticky,
      }),
    )
  }

  /** Who is in the call, as the SDK counts: the devices. */
  participants(): string[] {
    return (this.#session?.memberships ?? []).map(({ deviceId }) => deviceId).sort()
  }

  /** The restarts that it has asked for, oldest first. */
  restarts(): Asked[] {
    return this.machine.asked.filter(({ path }) => /\/delayed_events\/[^/]+\/restart/.test(path))
  }

  stop(): void {
    this.machine.run(() => this.#client.stopClient())
    this.machine.die()
  }
}

/** With what their restarts were answered, each status once; undefined: with nothing. */
export function statusesOf(...callers: readonly CallClient[]): (number | undefined)[] {
  return [...new Set(callers.flatMap(caller => caller.restarts()).map(({ status }) => status))]
}
