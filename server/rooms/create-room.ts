/**
 * A new room: the specification's ordered list of first events, appended together. If one of them is
 * refused, there is no room.
 *
 * Spec: POST /createRoom
 */
import { insertAlias, type LockedRoom } from '../../db/rooms.ts'
import { type Tx, transaction } from '../../db/transaction.ts'
import { isJsonObject, type JsonObject, type JsonValue } from '../lib/json.ts'
import {
  badJson,
  invalidParam,
  invalidRoomState,
  MatrixError,
  roomInUse,
  unsupportedRoomVersion,
} from '../matrix/errors.ts'
import { isRoomAlias, isUserId } from '../matrix/ids.ts'
import { type RoomVersion, roomVersions } from '../matrix/room-versions.ts'
import type { Requester } from '../requester.ts'
import { appendAll } from './append-event.ts'
import type { EventDraft } from './build-event.ts'
import type { Context } from './context.ts'
import { selectInviteRefusals } from './invite-filter.ts'
import { membershipDrafts } from './membership.ts'
import { additionalCreators, insertNewRoom } from './new-room.ts'
import { assertFirstState } from './state-content.ts'

export type Preset = 'private_chat' | 'public_chat' | 'trusted_private_chat'

/** One of the events that the caller wants in the room. */
export interface InitialState {
  type: string
  stateKey: string
  content: JsonObject
}

export interface CreateRoomRequest {
  visibility: 'public' | 'private'
  preset: Preset | undefined
  roomVersion: string | undefined
  creationContent: JsonObject
  initialState: InitialState[]
  powerLevelContentOverride: JsonObject
  name: string | undefined
  topic: string | undefined
  roomAliasName: string | undefined
  invite: string[]
  isDirect: boolean
}

/** A request that asks for nothing. */
export const newRoomRequest: CreateRoomRequest = {
  visibility: 'private',
  preset: undefined,
  roomVersion: undefined,
  creationContent: {},
  initialState: [],
  powerLevelContentOverride: {},
  name: undefined,
  topic: undefined,
  roomAliasName: undefined,
  invite: [],
  isDirect: false,
}

/** Of `initial_state`, and of invites: all go in in one transaction, and others wait for it. */
const maxInitialEvents = 500

interface PresetState {
  joinRule: string
  guestAccess: string
  powerLevels: JsonObject
}

const presets: Record<Preset, PresetState> = {
  private_chat: { joinRule: 'invite', guestAccess: 'can_join', powerLevels: { invite: 0 } },
  trusted_private_chat: { joinRule: 'invite', guestAccess: 'can_join', powerLevels: { invite: 0 } },
  public_chat: { joinRule: 'public', guestAccess: 'forbidden', powerLevels: {} },
}

/**
 * Create a room, its creator in it.
 *
 * @returns the room's id
 * @throws 400 M_UNSUPPORTED_ROOM_VERSION · M_ROOM_IN_USE, M_EXCLUSIVE of the alias · M_INVALID_PARAM ·
 *   M_BAD_JSON · M_INVALID_ROOM_STATE if the events asked for do not make a valid room
 */
export async function createRoom(
  ctx: Context,
  requester: Requester,
  request: CreateRoomRequest,
): Promise<string> {
  ctx.restrictions.assertNotSuspended(requester.userId)
  if (request.roomAliasName !== undefined) {
    const alias = `#${request.roomAliasName}:${ctx.config.server_name}`
    ctx.appServices.assertMayManageAlias(alias, requester.appService)
  }
  await assertMayInviteAll(ctx, requester.userId, request)
  try {
    return await transaction(ctx.db, async tx => {
      const room = await createRoomWithin(ctx, tx, requester.userId, request)
      return room.room_id
    })
  } catch (error) {
    // The room's own rules refused what was asked for: the request contradicts itself.
    if (error instanceof MatrixError && error.status === 403) throw invalidRoomState(error.message)
    throw error
  }
}

/**
 * As {@link createRoom}, inside the caller's transaction, and without asking whether the alias and
 * the invites are the creator's to make.
 */
export async function createRoomWithin(
  ctx: Context,
  tx: Tx,
  creator: string,
  request: CreateRoomRequest,
): Promise<LockedRoom> {
  const version = roomVersions.get(request.roomVersion ?? ctx.config.default_room_version)
  if (!version) throw unsupportedRoomVersion(request.roomVersion ?? '')
  const presetName =
    request.preset ?? (request.visibility === 'public' ? 'public_chat' : 'private_chat')
  const preset = presets[presetName]
  const trusted = presetName === 'trusted_private_chat' ? request.invite : []
  const content = createContent(request, creator, trusted, version)
  const isPublic = request.visibility === 'public'
  const { room, first } = await insertNewRoom(ctx, tx, creator, content, { version, isPublic })
  const create = { type: 'm.room.create', sender: creator, content }
  const drafts = [...first]
  let refusal: MatrixError | undefined
  try {
    const alias = await claimAlias(ctx, tx, room, creator, request.roomAliasName)
    for (const state of initialEvents(room, creator, request, { preset, trusted, alias })) {
      assertFirstState(room, create, alias, state)
      drafts.push({ ...state, sender: creator })
    }
    drafts.push(...(await invites(tx, creator, request)))
  } catch (error) {
    if (!(error instanceof MatrixError)) throw error
    refusal = error
  }
  // What is refused first is what the caller is told of: the events before that one are first.
  await appendAll(ctx, tx, room, drafts)
  if (refusal) throw refusal
  return room
}

/** @throws 400 M_INVALID_PARAM too many, or no users · 403 as `assertMayInvite` */
async function assertMayInviteAll(
  ctx: Context,
  inviter: string,
  { invite, initialState }: CreateRoomRequest,
): Promise<void> {
  if (invite.length > maxInitialEvents) throw invalidParam('Too many are invited at once')
  const inState = initialState
    .filter(({ type, content }) => type === 'm.room.member' && content.membership === 'invite')
    .map(state => state.stateKey)
  const invitees = [...invite, ...inState]
  const refusals = await selectInviteRefusals(ctx.db, inviter, invitees.filter(isUserId))
  for (const invitee of invitees) {
    if (!isUserId(invitee)) throw invalidParam(`${invitee} is not a user ID`)
    const refusal = refusals.get(invitee)
    if (refusal) throw refusal
  }
}

function invites(tx: Tx, sender: string, request: CreateRoomRequest): Promise<EventDraft[]> {
  const extra: JsonObject = request.isDirect ? { is_direct: true } : {}
  const invited = [...new Set(request.invite)]
  return membershipDrafts(
    tx,
    invited.map(target => ({ sender, target, membership: 'invite', extra })),
  )
}

/** @throws 400 M_BAD_JSON, M_INVALID_PARAM for `additional_creators` that are none */
function createContent(
  request: CreateRoomRequest,
  creator: string,
  trusted: string[],
  version: RoomVersion,
): JsonObject {
  const { creator: _, ...given } = request.creationContent
  const content: JsonObject = { ...given, room_version: version.id }
  if (version.creatorInContent) content.creator = creator
  if (!version.privilegedCreators) return content

  const { additional_creators: others = [] } = content
  delete content.additional_creators
  if (!Array.isArray(others)) throw badJson('additional_creators is not a list')
  return { ...content, ...additionalCreators(creator, [...others, ...trusted]) }
}

/** Power levels, alias, preset, `initial_state`, name and topic: in the specification's order. */
function initialEvents(
  room: LockedRoom,
  creator: string,
  request: CreateRoomRequest,
  given: { preset: PresetState; trusted: string[]; alias: string | undefined },
): InitialState[] {
  const { preset, trusted, alias } = given
  const { initialState, name, topic } = request
  const wanted = (type: string) =>
    initialState.find(state => state.type === type && state.stateKey === '')
  const first = (type: string, content: JsonObject): InitialState[] =>
    wanted(type) ? [] : [{ type, stateKey: '', content }]

  const powerLevels = wanted('m.room.power_levels') ?? {
    type: 'm.room.power_levels',
    stateKey: '',
    content: {
      ...defaultPowerLevels(room.version, [creator, ...trusted]),
      ...preset.powerLevels,
      ...request.powerLevelContentOverride,
    },
  }
  return [
    powerLevels,
    ...(alias === undefined ? [] : first('m.room.canonical_alias', { alias })),
    ...first('m.room.join_rules', { join_rule: preset.joinRule }),
    ...first('m.room.history_visibility', { history_visibility: 'shared' }),
    ...first('m.room.guest_access', { guest_access: preset.guestAccess }),
    ...initialState.filter(
      state =>
        state !== powerLevels &&
        !(name !== undefined && state === wanted('m.room.name')) &&
        !(topic !== undefined && state === wanted('m.room.topic')),
    ),
    ...(name === undefined ? [] : [{ type: 'm.room.name', stateKey: '', content: { name } }]),
    ...(topic === undefined
      ? []
      : [{ type: 'm.room.topic', stateKey: '', content: topicContent(topic) }]),
  ]
}

/** @param trusted who starts at level 100; from version 12 on they are creators and have no entry */
export function defaultPowerLevels(versionId: string, trusted: string[]): JsonObject {
  const isPrivileged = roomVersions.get(versionId)?.privilegedCreators ?? false
  return {
    users: isPrivileged ? {} : Object.fromEntries(trusted.map(userId => [userId, 100])),
    users_default: 0,
    events: {
      'm.room.name': 50,
      'm.room.avatar': 50,
      'm.room.canonical_alias': 50,
      'm.room.power_levels': 100,
      'm.room.history_visibility': 100,
      'm.room.encryption': 100,
      'm.room.server_acl': 100,
      'm.room.tombstone': isPrivileged ? 150 : 100,
    },
    events_default: 0,
    state_default: 50,
    ban: 50,
    kick: 50,
    redact: 50,
    invite: 50,
  }
}

/** MSC3765, spec v1.15: the topic also as extensible text. */
function topicContent(topic: string): JsonObject {
  return { topic, 'm.topic': { 'm.text': [{ body: topic, mimetype: 'text/plain' }] } }
}

/** @throws 400 M_INVALID_PARAM no possible alias · M_ROOM_IN_USE taken */
async function claimAlias(
  ctx: Context,
  tx: Tx,
  room: LockedRoom,
  creator: string,
  localpart: string | undefined,
): Promise<string | undefined> {
  if (localpart === undefined) return undefined
  const alias = `#${localpart}:${ctx.config.server_name}`
  if (localpart === '' || /[:\s\0]/.test(localpart) || !isRoomAlias(alias)) {
    throw invalidParam(`${localpart} cannot be part of an alias`)
  }
  const outcome = await insertAlias(tx, {
    room_alias: alias,
    room_id: room.room_id,
    creator,
    created_ts: ctx.clock.now(),
  })
  if (outcome === 'taken') throw roomInUse(`The alias ${alias} is taken`)
  return alias
}

/** The `initial_state` of a request body. @throws 400 M_BAD_JSON, M_INVALID_PARAM */
export function readInitialState(entries: JsonValue[]): InitialState[] {
  if (entries.length > maxInitialEvents) throw invalidParam('initial_state is too long')
  return entries.map(entry => {
    if (!isJsonObject(entry)) throw badJson('initial_state has something that is not an object')
    const { type, state_key: stateKey = '', content } = entry
    if (typeof type !== 'string' || typeof stateKey !== 'string' || !isJsonObject(content)) {
      throw badJson('initial_state has something that is not a state event')
    }
    if (type === '') throw invalidParam('initial_state has an event without a type')
    return { type, stateKey, content }
  })
}
