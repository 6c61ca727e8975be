/**
 * A call of two js-sdk clients in an encrypted room: they join it, give each other the keys of their
 * media, encrypted from device to device, and one of them is cut off.
 */
import type { MatrixClient } from 'matrix-js-sdk'
import { MatrixRTCSessionEvent } from 'matrix-js-sdk/lib/matrixrtc/index.js'

/** Element Call: 18 000 and 4 000 ms. */
const heartbeat = { delayedLeaveEventDelayMs: 5_000, delayedLeaveEventRestartMs: 1_000 }

export interface Caller {
  userId: string
  /** Who takes part, as this client sees it. */
  participants(): string[]
  /** The latest key of a participant's media, in base64; one's own, too. */
  keyOf(userId: string): string | undefined
}

export function joinCall(client: MatrixClient, roomId: string): Caller {
  const room = client.getRoom(roomId)
  const userId = client.getUserId()
  const deviceId = client.getDeviceId()
  if (!room || !userId || !deviceId) throw new Error('the client is not in the room')
  const keys = new Map<string, string>()
  const session = client.matrixRTC.getRoomSession(room)
  session.on(MatrixRTCSessionEvent.EncryptionKeyChanged, (key, _index, participant) => {
    keys.set(participant.userId, Buffer.from(key).toString('base64'))
  })
  session.joinRTCSession(
    { userId, deviceId, memberId: `${userId}:${deviceId}` },
    // Nobody connects to this: without media a transport is only a line in the membership event.
    [{ type: 'livekit', livekit_service_url: 'https://livekit.invalid', livekit_alias: roomId }],
    undefined,
    { ...heartbeat, manageMediaKeys: true },
  )
  return {
    userId,
    participants: () => session.memberships.flatMap(({ userId }) => userId ?? []).sort(),
    keyOf: participant => keys.get(participant),
  }
}
