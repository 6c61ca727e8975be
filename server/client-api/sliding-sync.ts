/** Simplified sliding sync: MSC4186, in the form that clients speak today. */
import { z } from 'zod'
import { acknowledge } from '../encryption/to-device.ts'
import { endpoint } from '../http/endpoint.ts'
import { optional, queryInteger, roomId, shortText, text } from '../http/schemas.ts'
import { mostSubscriptions } from '../rooms/thread-subscription-changes.ts'
import { parseToken } from '../stream/token.ts'
import type { Extensions, ListFilters, RoomConfig } from '../sync/sliding/request.ts'
import { requiredState } from '../sync/sliding/required-state.ts'
import { slidingSync } from '../sync/sliding/sliding-sync.ts'
import { presenceStates } from '../user-data/presence.ts'

const query = z.object({
  pos: text.optional(),
  timeout: queryInteger.default(0),
  set_presence: z.enum(presenceStates).default('online'),
})

const count = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER)
const range = z
  .tuple([count, count])
  .refine(([first, last]) => first <= last, { error: 'ends before it begins' })

const roomConfig = {
  timeline_limit: count,
  required_state: z
    .array(z.tuple([text, text]))
    .max(500)
    .default([]),
}

const filters = z.looseObject({
  is_dm: optional(z.boolean()),
  is_encrypted: optional(z.boolean()),
  // The first is what clients send, the second what the text has by now.
  is_invite: optional(z.boolean()),
  is_invited: optional(z.boolean()),
  spaces: optional(z.array(text)),
  room_types: optional(z.array(text.nullable())),
  not_room_types: optional(z.array(text.nullable())),
  tags: optional(z.array(text)),
  not_tags: optional(z.array(text)),
})

const subscription = z.looseObject(roomConfig)

const list = z.looseObject({
  ...roomConfig,
  ranges: optional(z.array(range).max(100)),
  filters: optional(filters),
})

const enabled = { enabled: optional(z.boolean()) }
const ofRooms = optional(
  z.looseObject({ ...enabled, lists: optional(z.array(text)), rooms: optional(z.array(text)) }),
)

const paged = optional(
  z.looseObject({ ...enabled, since: optional(text), limit: optional(count.min(1)) }),
)

const extensions = z.looseObject({
  to_device: paged,
  e2ee: optional(z.looseObject(enabled)),
  account_data: ofRooms,
  receipts: ofRooms,
  typing: ofRooms,
  'io.element.msc4308.thread_subscriptions': optional(
    z.looseObject({ ...enabled, limit: optional(count.min(1)) }),
  ),
  // MSC4480, also under the name that clients speak today.
  sticky_events: paged,
  'org.matrix.msc4354.sticky_events': paged,
})

const body = z.looseObject({
  conn_id: optional(shortText),
  // "Max lists: 100."
  lists: optional(
    z
      .record(shortText, list)
      .refine(lists => Object.keys(lists).length <= 100, { error: 'has more than 100 lists' }),
  ),
  room_subscriptions: optional(z.record(roomId, subscription)),
  extensions: optional(extensions),
})

type Body = z.infer<typeof body>

/** Messages to a device in one answer, unless it asks for fewer; more are not given at once. */
const mostMessages = 100
/** And sticky events; those of rooms that the client has just come to are not counted. */
const mostSticky = 100

export const slidingSyncEndpoints = [
  endpoint({
    method: 'POST',
    path: '/_matrix/client/unstable/org.matrix.simplified_msc3575/sync',
    spec: 'MSC4186',
    auth: 'user',
    query,
    body,
    bodyOptional: true,
    async handle({ ctx, requester, query, body, signal }) {
      const configOf = (config: z.infer<typeof subscription>): RoomConfig => ({
        timelineLimit: config.timeline_limit,
        state: requiredState(config.required_state, requester.userId),
      })
      const positionOf = (since: string | undefined) =>
        since ? parseToken(since, ctx.positions.latest()).position : undefined
      const after = positionOf(body.extensions?.to_device?.since) ?? 0
      if (body.extensions?.to_device?.enabled && after > 0) {
        await acknowledge(ctx, requester, after)
      }
      return slidingSync(
        ctx,
        requester,
        {
          connId: body.conn_id ?? '',
          pos: query.pos,
          timeoutMs: query.timeout,
          setPresence: query.set_presence,
          lists: new Map(
            Object.entries(body.lists ?? {}).map(([name, asked]) => [
              name,
              { ...configOf(asked), ranges: asked.ranges, filters: filtersOf(asked.filters) },
            ]),
          ),
          subscriptions: new Map(
            Object.entries(body.room_subscriptions ?? {}).map(([id, asked]) => [
              id,
              configOf(asked),
            ]),
          ),
          extensions: extensionsOf(body.extensions, after, positionOf),
        },
        signal,
      )
    },
  }),
]

function filtersOf(asked: z.infer<typeof filters> | undefined): ListFilters {
  return {
    isDirect: asked?.is_dm,
    isEncrypted: asked?.is_encrypted,
    isInvited: asked?.is_invited ?? asked?.is_invite,
    spaces: asked?.spaces,
    roomTypes: asked?.room_types,
    notRoomTypes: asked?.not_room_types,
    tags: asked?.tags,
    notTags: asked?.not_tags,
  }
}

function extensionsOf(
  asked: Body['extensions'],
  after: number,
  positionOf: (since: string | undefined) => number | undefined,
): Extensions {
  const toDevice = asked?.to_device
  const limit = Math.min(toDevice?.limit ?? mostMessages, mostMessages)
  const ifEnabled = <T extends { enabled?: boolean | undefined }>(part: T | undefined) =>
    part?.enabled ? part : undefined
  const stickyEvents = (['sticky_events', 'org.matrix.msc4354.sticky_events'] as const).flatMap(
    name => {
      const part = ifEnabled(asked?.[name])
      if (!part) return []
      const limit = Math.min(part.limit ?? mostSticky, mostSticky)
      return { name, since: positionOf(part.since), limit }
    },
  )
  const threads = ifEnabled(asked?.['io.element.msc4308.thread_subscriptions'])
  return {
    toDevice: toDevice?.enabled ? { after, limit } : undefined,
    encryption: asked?.e2ee?.enabled ?? false,
    accountData: ifEnabled(asked?.account_data),
    receipts: ifEnabled(asked?.receipts),
    typing: ifEnabled(asked?.typing),
    threadSubscriptions: threads && { limit: threads.limit ?? mostSubscriptions },
    stickyEvents,
  }
}
