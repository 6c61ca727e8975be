/** Synapse's administration of rooms. */
import { z } from 'zod'
import { selectDeletion, selectDeletionsOf } from '../../../db/room-deletions.ts'
import type { RoomDeletionRow } from '../../../db/schema.ts'
import {
  assertDeletable,
  blockOf,
  type DeletionRequest,
  requestDeletion,
  setBlocked,
  shutdownOf,
} from '../../administration/delete-room.ts'
import { describeRoom, listRooms, roomOrders } from '../../administration/list-rooms.ts'
import { endpoint } from '../../http/endpoint.ts'
import { optional, queryBoolean, roomId, text, userId } from '../../http/schemas.ts'
import type { JsonObject } from '../../lib/json.ts'
import { notFound, unknown } from '../../matrix/errors.ts'
import { countedPage } from './users.ts'

const v1 = '/_synapse/admin/v1/rooms'
const v2 = '/_synapse/admin/v2/rooms'
const spec = 'Synapse "Rooms Admin API"'
const params = z.object({ roomId })

const getRooms = endpoint({
  method: 'GET',
  path: v1,
  spec,
  auth: 'admin',
  query: z.object({
    ...countedPage,
    order_by: z.enum(roomOrders).default('name'),
    dir: z.enum(['f', 'b']).default('f'),
    search_term: text.min(1).optional(),
    public_rooms: queryBoolean.optional(),
    empty_rooms: queryBoolean.optional(),
  }),
  handle: ({ ctx, query }) =>
    listRooms(ctx, {
      from: query.from,
      limit: query.limit,
      order: query.order_by,
      isReversed: query.dir === 'b',
      searchTerm: query.search_term,
      isPublic: query.public_rooms,
      isEmpty: query.empty_rooms,
    }),
})

const getRoom = endpoint({
  method: 'GET',
  path: `${v1}/:roomId`,
  spec,
  auth: 'admin',
  params,
  handle: ({ ctx, params }) => describeRoom(ctx, params.roomId),
})

const deletion = z.object({
  new_room_user_id: optional(userId),
  room_name: optional(text),
  message: optional(text),
  block: z.boolean().default(false),
  purge: z.boolean().default(true),
  force_purge: z.boolean().default(false),
})

function deletionOf(room: string, body: z.infer<typeof deletion>): DeletionRequest {
  const newRoom = body.new_room_user_id && {
    creator: body.new_room_user_id,
    name: body.room_name ?? 'Content Violation Notification',
    message:
      body.message ??
      'Sharing illegal content on this server is not permitted and rooms in violation will be blocked.',
  }
  return {
    roomId: room,
    newRoom: newRoom || undefined,
    isBlocked: body.block,
    isPurge: body.purge,
    isForced: body.force_purge,
  }
}

const deleteRoomV1 = endpoint({
  method: 'DELETE',
  path: `${v1}/:roomId`,
  spec: 'Synapse "Delete Room API", version 1',
  auth: 'admin',
  params,
  body: deletion,
  async handle({ ctx, requester, params, body }) {
    const deleteId = await requestDeletion(ctx, requester, deletionOf(params.roomId, body))
    if (deleteId === undefined) return shutdownOf(undefined)
    await ctx.roomDeletions.run(ctx, deleteId)
    const done = await selectDeletion(ctx.db, deleteId)
    if (done?.status !== 'complete') {
      throw unknown(done?.error ?? 'The room is not deleted yet', 500)
    }
    return shutdownOf(done)
  },
})

const deleteRoomV2 = endpoint({
  method: 'DELETE',
  path: `${v2}/:roomId`,
  spec: 'Synapse "Delete Room API", version 2',
  auth: 'admin',
  params,
  body: deletion,
  async handle({ ctx, requester, params, body }) {
    const request = deletionOf(params.roomId, body)
    // Only version 1 blocks rooms that are not there.
    await assertDeletable(ctx, params.roomId)
    const deleteId = await requestDeletion(ctx, requester, request)
    if (deleteId === undefined) throw notFound('There is no such room')
    void ctx.roomDeletions.run(ctx, deleteId)
    return { delete_id: deleteId }
  },
})

const statusOf = (row: RoomDeletionRow): JsonObject => ({
  delete_id: row.delete_id,
  room_id: row.room_id,
  status: row.status,
  ...(row.error === null ? {} : { error: row.error }),
  shutdown_room: shutdownOf(row),
})

const getStatusOfRoom = endpoint({
  method: 'GET',
  path: `${v2}/:roomId/delete_status`,
  spec: 'Synapse "Delete Room API", "Query by room_id"',
  auth: 'admin',
  params,
  async handle({ ctx, params }) {
    const rows = await selectDeletionsOf(ctx.db, params.roomId)
    if (rows.length === 0) throw notFound('That room has not been deleted')
    return { results: rows.map(statusOf) }
  },
})

const getStatus = endpoint({
  method: 'GET',
  path: `${v2}/delete_status/:deleteId`,
  spec: 'Synapse "Delete Room API", "Query by delete_id"',
  auth: 'admin',
  params: z.object({ deleteId: text }),
  async handle({ ctx, params }) {
    const row = await selectDeletion(ctx.db, params.deleteId)
    if (!row) throw notFound('There is no such deletion')
    return statusOf(row)
  },
})

const getBlock = endpoint({
  method: 'GET',
  path: `${v1}/:roomId/block`,
  spec: 'Synapse "Block Room API"',
  auth: 'admin',
  params,
  handle: ({ ctx, params }) => blockOf(ctx, params.roomId),
})

const putBlock = endpoint({
  method: 'PUT',
  path: `${v1}/:roomId/block`,
  spec: 'Synapse "Block Room API"',
  auth: 'admin',
  params,
  body: z.object({ block: z.boolean() }),
  async handle({ ctx, requester, params, body }) {
    await setBlocked(ctx, requester, params.roomId, body.block)
    return { block: body.block }
  },
})

export const adminRoomEndpoints = [
  getRooms,
  getRoom,
  deleteRoomV1,
  // Before the room ids, of which it is none.
  getStatus,
  deleteRoomV2,
  getStatusOfRoom,
  getBlock,
  putBlock,
]
