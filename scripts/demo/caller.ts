/**
 * A process with one js-sdk client that joins the call of a room and stays in it until killed.
 *
 * Joining, the delayed leave and its restarts are all the SDK's own doing. This program only looks
 * on: it hands the SDK a `fetch` that reports the requests which matter.
 */
import { MatrixRTCSessionEvent } from 'matrix-js-sdk/lib/matrixrtc/index.js'
import { callMemberType, connect, given, type Heartbeat, type Login, report } from './clients.ts'

const login = given<Login & Heartbeat>()
const { userId, deviceId } = login

const { client, room } = await connect(login, reportingFetch)
report({ what: 'synced', at: Date.now() })

const session = client.matrixRTC.getRoomSession(room)
session.on(MatrixRTCSessionEvent.MembershipManagerError, error => {
  report({ what: 'call-failed', at: Date.now(), error: String(error) })
})
session.joinRTCSession(
  { userId, deviceId, memberId: `${userId}:${deviceId}` },
  // Nobody connects to this: without media a transport is only a line in the membership event.
  [{ type: 'livekit', livekit_service_url: 'https://livekit.invalid', livekit_alias: room.roomId }],
  undefined,
  {
    delayedLeaveEventDelayMs: login.delayMs,
    delayedLeaveEventRestartMs: login.restartMs,
    manageMediaKeys: false,
  },
)

/** `fetch`, reporting the requests that keep a call membership alive. */
async function reportingFetch(...[input, init]: Parameters<typeof fetch>): Promise<Response> {
  const url = new URL(input instanceof Request ? input.url : input)
  const step = stepOf(init?.method ?? 'GET', url, init?.body)
  const requestedAt = Date.now()
  if (step === 'restarted') report({ what: 'restarting', at: requestedAt })
  const response = await fetch(input, init)
  const at = Date.now()
  if (step && response.ok) report({ what: step, at, requestedAt })
  if (step && !response.ok) {
    report({ what: 'refused', at, requestedAt, request: step, status: response.status })
  }
  return response
}

/** What it means for the call if this request succeeds; undefined: nothing. */
function stepOf(
  method: string,
  url: URL,
  body: RequestInit['body'],
): 'leave-scheduled' | 'joined' | 'restarted' | undefined {
  if (method === 'PUT' && url.pathname.includes(`/state/${callMemberType}/`)) {
    return url.searchParams.has('org.matrix.msc4140.delay') ? 'leave-scheduled' : 'joined'
  }
  if (method === 'POST' && url.pathname.includes('/delayed_events/')) {
    // The SDK falls back to the second form where a server has no path for the first.
    if (url.pathname.endsWith('/restart') || body === '{"action":"restart"}') return 'restarted'
  }
  return undefined
}
