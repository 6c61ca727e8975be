/**
 * MSC4140's Futures of 2024-05: all events in one body, for now, for when the time is up and for
 * when an action is called, and one token for them all. Times are in seconds.
 */
import {
  type FutureEvent,
  type Futures,
  scheduleFutures,
  timeoutMember,
} from '../../delayed-events/futures.ts'
import { shortText } from '../../http/schemas.ts'
import { isJsonObject, type JsonObject, type JsonValue } from '../../lib/json.ts'
import { badJson, invalidParam, missingParam } from '../../matrix/errors.ts'
import { andFollow } from '../../rooms/follow-upgrade.ts'
import { answerWithSecrets, assertLegacy, inLegacyWords, msOf } from './dialects.ts'
import type { GivenEvent, Later } from './given-event.ts'

/** What the drafts put before a member's name. */
const prefixes = ['m.', 'io.element.', 'org.matrix.msc4140.', '']

/**
 * A body that speaks of Futures, at the place where the draft of 2024-05-20 sends them: that of an
 * event of type `future`. An ordinary event of that type has no member of theirs.
 */
export function futuresOf({ type, stateKey, content }: GivenEvent): Later | undefined {
  const isFutures = type === 'future' && stateKey === undefined && speaksOfFutures(content)
  return isFutures ? laterWith(wholeEvent) : undefined
}

export function speaksOfFutures(body: JsonObject): boolean {
  return prefixes.some(prefix =>
    Object.keys(body).some(
      name =>
        name.startsWith(`${prefix}send_on_timeout`) ||
        name.startsWith(`${prefix}send_on_action`) ||
        // Without a prefix these are anybody's words.
        (prefix !== '' && (name === `${prefix}timeout` || name === `${prefix}send_now`)),
    ),
  )
}

/** For `…/{txnId}/future` and `…/{stateKey}/future`: the path says what the events have in common. */
export const futuresOfContents = laterWith((event, value) => ({
  type: event.type,
  stateKey: event.stateKey,
  content: value,
}))

type ReadEvent = (event: GivenEvent, value: JsonObject) => FutureEvent

/** Each event as a whole; of a draft's "full signed event" the rest is not looked at. */
function wholeEvent(_: GivenEvent, { type, state_key, content }: JsonObject): FutureEvent {
  if (typeof type !== 'string' || type === '') throw badJson('type is missing, or no string')
  if (!isJsonObject(content)) throw badJson('content is missing, or no object')
  if (state_key !== undefined && typeof state_key !== 'string') {
    throw badJson('state_key is no string')
  }
  return { type, stateKey: state_key, content }
}

function laterWith(readEvent: ReadEvent): Later {
  return (ctx, requester, event, { once }) => {
    assertLegacy(ctx, 'futures')
    const read = (value: JsonValue) => {
      if (!isJsonObject(value)) throw badJson('An event of a future is not an object')
      return readEvent(event, value)
    }
    const members = membersIn(event.content)
    const futures = futuresIn(event, members, read)
    return inLegacyWords(false, () =>
      andFollow(ctx, once<JsonObject>, async tx => {
        const scheduled = await scheduleFutures(ctx, tx, requester, futures)
        const answer = answerWithSecrets(answerOf(members, scheduled), scheduled.onTimeout, {
          future_token: 'future',
          // The first draft's name of the same.
          timeout_refresh_token: 'future',
        })
        return { answer, sent: scheduled.now }
      }),
    )
  }
}

/** The members of the body by their names without prefix. */
interface Members {
  timeout?: Member
  now?: Member
  onTimeout?: Member
  /** By the name of the action; `inside` if the draft of 2024-05-31 keeps them in one object. */
  onAction: Map<string, Member & { inside?: string }>
}

interface Member {
  /** As the body calls it, and so the answer. */
  name: string
  value: JsonValue
}

/**
 * @throws 400 M_BAD_JSON an action that no path could name, or actions that are none · 400
 *   M_INVALID_PARAM a member is there under two of its names, with different values
 */
function membersIn(body: JsonObject): Members {
  const members: Members = { onAction: new Map() }
  for (const [name, value] of Object.entries(body)) {
    const prefix = prefixes.find(prefix => name.startsWith(prefix)) ?? ''
    const [word = '', ...rest] = name.slice(prefix.length).split(':')
    const action = rest.join(':')
    if (word === 'timeout') members.timeout = agreed(members.timeout, { name, value })
    else if (word === 'send_now') members.now = agreed(members.now, { name, value })
    else if (word === timeoutMember) members.onTimeout = agreed(members.onTimeout, { name, value })
    else if (word === 'send_on_action' && action) {
      members.onAction.set(action, agreed(members.onAction.get(action), { name, value }))
    } else if (word === 'send_on_action' && value !== null) {
      if (!isJsonObject(value)) throw badJson(`${name} is not an object`)
      for (const [action, event] of Object.entries(value)) {
        const member = { name: action, value: event, inside: name }
        members.onAction.set(action, agreed(members.onAction.get(action), member))
      }
    }
  }
  for (const action of members.onAction.keys()) {
    if (!shortText.min(1).safeParse(action).success) throw badJson('That is no name of an action')
  }
  return members
}

/** Of two that differ one would be lost. */
function agreed<M extends Member>(known: Member | undefined, member: M): M {
  if (known && JSON.stringify(known.value) !== JSON.stringify(member.value)) {
    throw invalidParam(`${known.name} and ${member.name} differ`)
  }
  return member
}

function futuresIn(
  event: GivenEvent,
  members: Members,
  read: (value: JsonValue) => FutureEvent,
): Futures {
  const { timeout, onTimeout, now, onAction } = members
  if (timeout === undefined) throw missingParam('m.timeout is missing')
  if (onTimeout === undefined) throw missingParam('m.send_on_timeout is missing')
  return {
    roomId: event.roomId,
    transactionId: event.transactionId,
    originServerTs: event.originServerTs,
    stickyDurationMs: event.stickyDurationMs,
    timeoutMs: msOf(timeout.value, timeout.name),
    now: now && read(now.value),
    onTimeout: read(onTimeout.value),
    onAction: new Map([...onAction].map(([action, member]) => [action, read(member.value)])),
  }
}

/** The body's members again, each with its id. What is not sent yet has its delay_id for one. */
function answerOf(
  { now, onTimeout, onAction }: Members,
  scheduled: Awaited<ReturnType<typeof scheduleFutures>>,
): JsonObject {
  const answer: JsonObject = {}
  if (now && scheduled.now) answer[now.name] = { eventId: scheduled.now.event_id }
  if (onTimeout) answer[onTimeout.name] = { eventId: scheduled.onTimeout }
  for (const [action, { name, inside }] of onAction) {
    const id = { eventId: scheduled.onAction.get(action) ?? '' }
    if (inside === undefined) answer[name] = id
    else answer[inside] = { ...(answer[inside] as JsonObject | undefined), [name]: id }
  }
  return answer
}
