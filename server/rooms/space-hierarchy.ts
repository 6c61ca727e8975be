/**
 * Walking through a space, depth first, page by page.
 *
 * A page's token is the way from the root to the last room that was shown, with what orders the
 * children along it: so a page costs what is looked at for it, however many came before, and the
 * walk goes on even if the space has changed meanwhile. Rooms are shown once on a page; on another
 * page one may come again, as the specification allows.
 *
 * Spec: GET /rooms/{roomId}/hierarchy; MSC2946
 */
import { selectStateAt } from '../../db/room-state.ts'
import type { Db } from '../../db/transaction.ts'
import type { JsonObject } from '../lib/json.ts'
import { forbidden, invalidParam } from '../matrix/errors.ts'
import type { Pdu } from '../matrix/event.ts'
import { type ChildKey, childKey, compareChildren, isChild } from '../matrix/space-children.ts'
import { toStripped } from '../matrix/stripped-state.ts'
import type { Requester } from '../requester.ts'
import type { Context } from './context.ts'
import { parsePdu } from './stored-event.ts'
import { selectVisibleRooms, type VisibleRoom } from './visible-rooms.ts'

const defaultPageSize = 50
const mostOnAPage = 100
const deepest = 32
/** Also of rooms that are not shown, which cost as much: then the page ends early. */
const mostLookedAt = 2_000
const batchSize = 100

export interface HierarchyQuery {
  roomId: string
  suggestedOnly: boolean
  /** How many generations below the root; undefined: as many as are allowed. */
  maxDepth: number | undefined
  limit: number | undefined
  /** A `next_batch`. */
  from: string | undefined
}

/** An `m.space.child` event. */
type ChildEvent = Pdu & { state_key: string }

/** What is being walked, and what has been found so far. */
interface Walk {
  db: Db
  userId: string
  suggestedOnly: boolean
  maxDepth: number
  limit: number
  rooms: JsonObject[]
  seen: Set<string>
  lookedAt: number
  /** The way to the room that was shown last. */
  last: ChildKey[]
  isCutShort: boolean
}

/**
 * A page of a space's tree: each room with what may be told of it and, if it is a space itself, its
 * children. Rooms that are not for the user to find are left out; that they are children is not.
 *
 * @throws 403 M_FORBIDDEN an unknown root, or one that is not for the user to find · 400
 *   M_INVALID_PARAM a `from` that is none, or of a walk with other parameters
 */
export async function readHierarchy(
  ctx: Context,
  requester: Requester,
  query: HierarchyQuery,
): Promise<JsonObject> {
  const { db } = ctx
  const { userId } = requester
  const { roomId, suggestedOnly } = query
  const maxDepth = Math.min(query.maxDepth ?? deepest, deepest)
  const resume = readToken(query.from, { roomId, suggestedOnly, maxDepth })
  const root = (await selectVisibleRooms(db, userId, [roomId])).get(roomId)
  if (!root) throw forbidden(`There is no room ${roomId}, or it is not for you to see`)
  const limit = Math.min(query.limit ?? defaultPageSize, mostOnAPage)
  const found = { rooms: [], seen: new Set<string>(), lookedAt: 0, last: [], isCutShort: false }
  const walk: Walk = { db, userId, suggestedOnly, maxDepth, limit, ...found }
  await visit(walk, root, [], resume)
  const token = { roomId, suggestedOnly, maxDepth, way: walk.last }
  return { rooms: walk.rooms, ...(walk.isCutShort ? { next_batch: writeToken(token) } : {}) }
}

/**
 * Show a room, and what is below it.
 *
 * @param way from the root to this room; the root's is empty
 * @param resume the rest of the way to the room shown last, of which all before and it itself are
 *   passed over; undefined if nothing is to be passed over any more
 */
async function visit(
  walk: Walk,
  room: VisibleRoom,
  way: ChildKey[],
  resume: ChildKey[] | undefined,
): Promise<void> {
  const children = room.isSpace ? await selectChildren(walk, room.roomId) : []
  if (!resume) {
    if (walk.rooms.length === walk.limit) {
      walk.isCutShort = true
      return
    }
    walk.rooms.push({ ...room.summary, children_state: children.map(toChildState) })
    walk.last = way
  }
  walk.seen.add(room.roomId)
  if (way.length >= walk.maxDepth) return
  const [at, ...rest] = resume ?? []
  const left = at ? children.filter(child => compareChildren(childKey(child), at) >= 0) : children
  for (let from = 0; from < left.length && !walk.isCutShort; from += batchSize) {
    await visitChildren(walk, left.slice(from, from + batchSize), way, at && { at, rest })
  }
}

async function visitChildren(
  walk: Walk,
  children: ChildEvent[],
  way: ChildKey[],
  resume: { at: ChildKey; rest: ChildKey[] } | undefined,
): Promise<void> {
  const ids = children.map(child => child.state_key)
  const visible = await selectVisibleRooms(walk.db, walk.userId, ids)
  for (const child of children) {
    const key = childKey(child)
    const room = visible.get(child.state_key)
    walk.lookedAt += 1
    if (room && !walk.seen.has(room.roomId)) {
      const isOnTheWay = resume !== undefined && compareChildren(key, resume.at) === 0
      await visit(walk, room, [...way, key], isOnTheWay ? resume.rest : undefined)
    }
    if (walk.isCutShort) return
    if (walk.lookedAt >= mostLookedAt) {
      walk.last = [...way, key]
      walk.isCutShort = true
      return
    }
  }
}

async function selectChildren(walk: Walk, roomId: string): Promise<ChildEvent[]> {
  const types = ['m.space.child']
  const rows = await selectStateAt(walk.db, roomId, Number.MAX_SAFE_INTEGER, { types })
  return rows
    .map(row => ({ ...parsePdu(row), state_key: row.state_key ?? '' }))
    .filter(isChild)
    .filter(child => !walk.suggestedOnly || child.content.suggested === true)
    .sort((one, other) => compareChildren(childKey(one), childKey(other)))
}

const toChildState = (child: ChildEvent): JsonObject => ({
  ...toStripped(child),
  origin_server_ts: child.origin_server_ts,
})

interface Token {
  roomId: string
  suggestedOnly: boolean
  maxDepth: number
  way: ChildKey[]
}

const writeToken = (token: Token): string =>
  Buffer.from(JSON.stringify(token)).toString('base64url')

/** @returns the way to the room that was shown last; undefined at the beginning */
function readToken(from: string | undefined, asked: Omit<Token, 'way'>): ChildKey[] | undefined {
  if (from === undefined) return undefined
  const token = parseToken(from)
  if (!token) throw invalidParam('from is not a next_batch of this space')
  const isSame =
    token.roomId === asked.roomId &&
    token.suggestedOnly === asked.suggestedOnly &&
    token.maxDepth === asked.maxDepth
  if (!isSame) throw invalidParam('from belongs to a request with other parameters')
  return token.way
}

function parseToken(from: string): Token | undefined {
  try {
    const token = JSON.parse(Buffer.from(from, 'base64url').toString()) as Token
    const isWay =
      Array.isArray(token.way) && token.way.length <= deepest && token.way.every(isChildKey)
    return isWay ? token : undefined
  } catch {
    return undefined
  }
}

function isChildKey(key: unknown): boolean {
  if (!Array.isArray(key)) return false
  const [order, originServerTs, roomId] = key
  const isOrder = order === null || typeof order === 'string'
  return isOrder && typeof originServerTs === 'number' && typeof roomId === 'string'
}
