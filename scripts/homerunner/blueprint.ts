/** A blueprint: which homeservers to start, and what is to be on them. */
import { z } from 'zod'
import { isServerName, isValidLocalpart } from '../../server/matrix/ids.ts'

/** Homerunner is written in Go, which takes `StateKey`, `statekey` and, by its tag, `state_key`. */
const fields = <T extends z.ZodRawShape>(shape: T) =>
  z.preprocess(value => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
    const names = new Map(Object.keys(shape).map(name => [name.toLowerCase(), name]))
    return Object.fromEntries(
      Object.entries(value).flatMap(([key, member]) => {
        const name = names.get(key.replaceAll('_', '').toLowerCase())
        return name === undefined || member === null ? [] : [[name, member]]
      }),
    )
  }, z.object(shape))

const text = z.string().min(1)
const content = z.record(z.string(), z.unknown())
const list = <T extends z.ZodType>(item: T) => z.array(item).default([])

const user = fields({
  localpart: text.regex(/^@?[^@:]+$/, 'is a localpart, with or without @'),
  displayName: z.string().optional(),
  avatarUrl: z.string().optional(),
  // The client library of Homerunner says Key where Homerunner says Type.
  accountData: list(fields({ type: text.optional(), key: text.optional(), value: content })),
  deviceId: text.optional(),
  oneTimeKeys: z.int().min(0).max(1_000).default(0),
})

const event = fields({
  type: text,
  sender: text,
  stateKey: z.string().optional(),
  content: content.default({}),
})

const room = fields({
  ref: text.optional(),
  creator: text.optional(),
  createRoom: content.default({}),
  events: list(event),
})

const applicationService = fields({
  id: text.regex(/^[\w.-]+$/, 'is a name for a file'),
  url: z.string().default(''),
  senderLocalpart: z.string().refine(name => isValidLocalpart(name, 'hs1'), 'is not a localpart'),
  rateLimited: z.boolean().default(false),
  sendEphemeral: z.boolean().default(false),
})

const homeserver = fields({
  name: z.string().refine(isServerName, 'is not a Matrix server name'),
  users: list(user),
  rooms: list(room),
  applicationServices: list(applicationService),
})

const blueprint = fields({
  name: text,
  homeservers: z.array(homeserver).min(1),
  keepAccessTokensForUsers: list(text),
})

export type Blueprint = z.infer<typeof blueprint>
export type HomeserverPlan = z.infer<typeof homeserver>
export type UserPlan = z.infer<typeof user>
export type RoomPlan = z.infer<typeof room>
export type ApplicationServicePlan = z.infer<typeof applicationService>

/** What was asked for cannot be had; the message says why. */
export class CannotDeploy extends Error {}

/** @throws CannotDeploy in which place it has the wrong form, or that it needs federation */
export function parseBlueprint(value: unknown): Blueprint {
  const parsed = blueprint.safeParse(value)
  if (!parsed.success) {
    const [issue] = parsed.error.issues
    throw new CannotDeploy(`the blueprint: ${issue?.path.join('.')}: ${issue?.message}`)
  }
  const names = parsed.data.homeservers.map(({ name }) => name)
  if (new Set(names).size < names.length) {
    throw new CannotDeploy('the blueprint: two homeservers have one name')
  }
  for (const { name, rooms } of parsed.data.homeservers) assertLocal(name, rooms)
  return parsed.data
}

/** A room that is only referred to was made on another homeserver. */
function assertLocal(homeserverName: string, rooms: readonly RoomPlan[]): void {
  const made = new Set<string>()
  for (const { creator, ref } of rooms) {
    if (creator === undefined && ref === undefined) {
      throw new CannotDeploy(`${homeserverName}: a room has neither a Ref nor a Creator`)
    }
    if (ref !== undefined && creator !== undefined) made.add(ref)
    else if (ref !== undefined && !made.has(ref)) {
      throw new CannotDeploy(
        `${homeserverName}: the room ${ref} is on another homeserver, and this one does not federate`,
      )
    }
  }
}

/** `@alice`, `alice` and `@alice:hs1`, as user ids of one homeserver. */
export function userIdOn(homeserverName: string, name: string): string {
  const full = name.startsWith('@') ? name : `@${name}`
  if (!full.includes(':')) return `${full}:${homeserverName}`
  if (full.endsWith(`:${homeserverName}`)) return full
  throw new CannotDeploy(`${full} is not a user of ${homeserverName}`)
}
