/**
 * The promise of delayed events, kept to two real clients: alice joins a call, her client dies, and
 * the server takes her out of the call: once, and neither early nor late.
 */
import { randomUUID } from 'node:crypto'
import {
  type CallMembership,
  type ClientProcess,
  callMemberType,
  type Heartbeat,
  type Login,
  momentsOf,
  startCaller,
  watchMembership,
} from './clients.ts'

/** Element Call: 18 000 and 4 000 ms. This is the same, in less of the reader's time. */
const heartbeat: Heartbeat = { delayMs: 4_000, restartMs: 1_000 }

/**
 * How long to look out for a second leave after the first. Longer would prove no more: whatever
 * else alice's client may have left on the server fell due before the leave did, or with it.
 */
const quietForMs = 2_000

/** A client process loads the SDK, syncs and joins within this, also on a busy machine. */
const startWithinMs = 20_000

/** A promise, and whether it was kept. */
export interface Check {
  what: string
  held: boolean
  /** What was seen. */
  found: string
}

export interface DeadMansSwitchResult {
  /** All checks held. */
  ok: boolean
  checks: Check[]
}

/**
 * Tell the story to a server and see which promises it keeps. Takes about ten seconds. Registers
 * two users there, and leaves them and their room behind.
 *
 * @param log gets a line for each thing that happens, when it happens
 * @param lateByAtMostMs how long after it fell due the leave must have reached bob's client. On an
 * idle machine it takes a few ms; the rest is for a busy one
 * @throws if the story cannot be told: a request is refused, a client does not start or join. A
 * promise that is not kept is no error but a check that does not hold.
 */
export async function runDeadMansSwitch({
  baseUrl,
  log,
  lateByAtMostMs,
}: {
  baseUrl: string
  log: (line: string) => void
  lateByAtMostMs: number
}): Promise<DeadMansSwitchResult> {
  const { alice, bob } = await twoInARoom(baseUrl)
  log(`${alice.userId} and ${bob.userId} are in ${alice.roomId}`)
  const watcher = await watchMembership(bob, startWithinMs)
  log("bob's client is in sync and watches the call")
  const caller = startCaller(alice, heartbeat)
  try {
    const diedAt = await joinAndDie(caller, watcher, log)
    const due = dueTimes(caller, diedAt, lateByAtMostMs)
    await awaitLeave(watcher, due, log)
    const checks = judge(alice, { caller, watcher }, diedAt, due)
    return { ok: checks.every(({ held }) => held), checks }
  } finally {
    await Promise.all([watcher.kill(), caller.kill()])
  }
}

/**
 * alice's client joins, keeps its leave from firing for longer than one delay, and is killed.
 *
 * @returns a time, Unix ms, at which it was certainly dead
 */
async function joinAndDie(
  caller: ClientProcess,
  watcher: ClientProcess,
  log: (line: string) => void,
): Promise<number> {
  const { delayMs, restartMs } = heartbeat
  const scheduled = await caller.wait('leave-scheduled', startWithinMs)
  log(`alice's client has scheduled her leave, ${delayMs} ms ahead`)
  await caller.wait('joined', startWithinMs)
  log("alice's client has joined the call")
  await watcher.wait('membership', startWithinMs)
  log("bob's client sees alice in the call")

  // A restart after the first delay is over: only now has restarting made a difference.
  const firstDueAt = scheduled.at + delayMs
  const withinMs = firstDueAt - Date.now() + 2 * restartMs + startWithinMs
  await caller.wait('restarted', withinMs, ({ requestedAt }) => requestedAt > firstDueAt)
  await caller.kill()
  const count = momentsOf(caller, 'restarted').length
  log(`alice's client is killed (SIGKILL); it had restarted the delay ${count} times`)
  return Date.now()
}

/** When the server may send the leave, by what the caller reported before it died. Unix ms. */
interface Due {
  /** The last restart whose answer the caller saw; when it was requested. */
  restartedAt: number
  /** Not before: the last restart cannot have reached the server earlier. */
  from: number
  /** No later than: nor can it have reached the server later. */
  upTo: number
  /** What bob's client is given on top of that to hear of it. */
  lateByAtMostMs: number
}

function dueTimes(caller: ClientProcess, diedAt: number, lateByAtMostMs: number): Due {
  const { delayMs } = heartbeat
  const restarted = momentsOf(caller, 'restarted').at(-1)
  if (!restarted) throw new Error('nothing was restarted')
  // A restart that was still under way when the client was killed may have counted, or not.
  const wasLast = momentsOf(caller, 'restarting').at(-1)?.at === restarted.requestedAt
  return {
    restartedAt: restarted.requestedAt,
    from: restarted.requestedAt + delayMs,
    upTo: (wasLast ? restarted.at : diedAt) + delayMs,
    lateByAtMostMs,
  }
}

/** Wait until bob's client has seen the leave, or should have; then some time for another one. */
async function awaitLeave(
  watcher: ClientProcess,
  { restartedAt, upTo, lateByAtMostMs }: Due,
  log: (line: string) => void,
): Promise<void> {
  const withinMs = Math.max(0, upTo + lateByAtMostMs - Date.now())
  const left = await watcher.find('membership', withinMs, isLeave)
  if (left) {
    const sentAfterMs = left.membership.originServerTs - restartedAt
    log(`bob's client sees alice leave: sent ${sentAfterMs} ms after the last restart`)
  } else {
    log(`bob's client sees no leave ${Date.now() - restartedAt} ms after the last restart`)
  }
  const again = await watcher.find('membership', quietForMs, moment => {
    return isLeave(moment) && moment !== left
  })
  log(again ? `bob's client sees ${left ? 'another' : 'a'} leave` : `no more for ${quietForMs} ms`)
}

function judge(
  alice: Login,
  { caller, watcher }: { caller: ClientProcess; watcher: ClientProcess },
  diedAt: number,
  due: Due,
): Check[] {
  const memberships = momentsOf(watcher, 'membership')
  const joined = memberships.find(moment => !isLeave(moment))?.membership
  const leaves = memberships.filter(isLeave)
  const [leave] = leaves
  const left = leave?.membership
  const scheduled = momentsOf(caller, 'leave-scheduled').length
  const participants = momentsOf(watcher, 'participants').map(({ count }) => count)
  const early = leaves.filter(({ at }) => at < diedAt).length
  const sentAfterMs = left ? left.originServerTs - due.from : undefined
  const seenAfterMs = leave ? leave.at - due.upTo : undefined
  return [
    {
      what: 'one delayed leave was enough, joining did not cancel it',
      held: scheduled === 1,
      found: `scheduled: ${scheduled}`,
    },
    {
      what: 'alice was in the call for as long as her client lived',
      held: joined?.sender === alice.userId && early === 0,
      found: joined ? `joined as ${joined.sender}, ${early} early leaves` : 'she never joined',
    },
    {
      what: 'the leave came exactly once',
      held: leaves.length === 1,
      found: `leaves seen: ${leaves.length}`,
    },
    {
      what: 'it is a leave by alice, from the same membership',
      held: left?.sender === alice.userId && left.stateKey === joined?.stateKey,
      found: left ? `sent by ${left.sender} for ${left.stateKey}` : 'no leave',
    },
    {
      what: 'it was not sent before its time',
      held: sentAfterMs !== undefined && sentAfterMs >= 0,
      found: left ? `sent ${sentAfterMs} ms after the earliest time` : 'no leave',
    },
    {
      what: `bob's client had it at most ${due.lateByAtMostMs} ms after its time`,
      held: seenAfterMs !== undefined && seenAfterMs <= due.lateByAtMostMs,
      found: leave ? `seen ${seenAfterMs} ms after the latest time` : 'no leave',
    },
    {
      what: "by the count of bob's SDK alice came and went",
      held: participants.includes(1) && participants.at(-1) === 0,
      found: `participants: ${participants.join(', then ') || 'never any'}`,
    },
  ]
}

/** A membership of a call is ended by the same state event with nothing in it. */
function isLeave({ membership }: { membership: CallMembership }): boolean {
  return Object.keys(membership.content).length === 0
}

/** Register two users and put them into a room where everybody may join the call. */
async function twoInARoom(baseUrl: string): Promise<{ alice: Login; bob: Login }> {
  const alice = await register(baseUrl, 'alice')
  const bob = await register(baseUrl, 'bob')
  const createRoom = await post(baseUrl, '/createRoom', alice.accessToken, {
    preset: 'public_chat',
    name: "The dead man's switch",
    power_level_content_override: { events: { [callMemberType]: 0 } },
  })
  const { room_id: roomId } = await accepted<{ room_id: string }>(createRoom)
  await accepted(await post(baseUrl, `/join/${encodeURIComponent(roomId)}`, bob.accessToken, {}))
  return { alice: { ...alice, roomId }, bob: { ...bob, roomId } }
}

/** Where the name is taken, as in a database that is not new, the user gets a longer one. */
async function register(baseUrl: string, username: string): Promise<Omit<Login, 'roomId'>> {
  const body = { password: randomUUID(), auth: { type: 'm.login.dummy' } }
  let response = await post(baseUrl, '/register', undefined, { username, ...body })
  if (response.status === 400) {
    const longer = `${username}-${Date.now().toString(36)}`
    response = await post(baseUrl, '/register', undefined, { username: longer, ...body })
  }
  const user = await accepted<{ user_id: string; access_token: string; device_id: string }>(
    response,
  )
  const { user_id: userId, access_token: accessToken, device_id: deviceId } = user
  return { baseUrl, userId, accessToken, deviceId }
}

function post(
  baseUrl: string,
  path: string,
  accessToken: string | undefined,
  body: unknown,
): Promise<Response> {
  return fetch(`${baseUrl}/_matrix/client/v3${path}`, {
    method: 'POST',
    headers: {
      'Content-Type': 'application/json',
      ...(accessToken && { Authorization: `Bearer ${accessToken}` }),
    },
    body: JSON.stringify(body),
  })
}

async function accepted<Body>(response: Response): Promise<Body> {
  if (!response.ok) {
    throw new Error(`POST ${response.url}: ${response.status} ${await response.text()}`)
  }
  return (await response.json()) as Body
}
