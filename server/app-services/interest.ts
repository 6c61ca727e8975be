/** Which events concern an application service. Spec: Application Service API "Registration" */
import { selectAliasesOfRooms, selectJoinedSpans } from '../../db/app-services.ts'
import type { EventRow } from '../../db/schema.ts'
import { type AppService, covers, ownsUser } from '../matrix/app-service.ts'
import { domainOf } from '../matrix/ids.ts'
import type { Context } from './context.ts'

/**
 * Of these events, those that a service is to hear of: in a room that it is interested in, by its
 * id or an alias; from or about one of its users; or in a room that one of them was in just then.
 *
 * @param events in order of position
 */
export async function selectInteresting(
  ctx: Context,
  service: AppService,
  events: readonly EventRow[],
): Promise<EventRow[]> {
  const [first, last] = [events[0], events.at(-1)]
  if (!first || !last) return []
  const serverName = ctx.config.server_name
  const isOurs = (userId: string) => isOwnUser(ctx, service, userId)
  const roomIds = [...new Set(events.map(event => event.room_id))]
  const spans = await selectJoinedSpans(ctx.db, {
    roomIds,
    serverName,
    from: first.position,
    upTo: last.position,
  })
  const ourSpans = spans.filter(span => isOurs(span.user_id))
  const ourRooms = await selectOwnRooms(ctx, service, roomIds)
  return events.filter(
    event =>
      ourRooms.has(event.room_id) ||
      isOurs(event.sender) ||
      (event.type === 'm.room.member' && isOurs(event.state_key ?? '')) ||
      ourSpans.some(
        span =>
          span.room_id === event.room_id &&
          span.position <= event.position &&
          (span.until_position ?? Number.POSITIVE_INFINITY) > event.position,
      ),
  )
}

/** Of these rooms, those that a service is interested in at a position, as a whole. */
export async function selectRoomsOfInterest(
  ctx: Context,
  service: AppService,
  roomIds: readonly string[],
  at: number,
): Promise<ReadonlySet<string>> {
  if (roomIds.length === 0) return new Set()
  const serverName = ctx.config.server_name
  const spans = await selectJoinedSpans(ctx.db, { roomIds, serverName, from: at, upTo: at })
  const shared = spans.filter(span => isOwnUser(ctx, service, span.user_id))
  const own = await selectOwnRooms(ctx, service, roomIds)
  return new Set([...own, ...shared.map(span => span.room_id)])
}

/** Users of other servers are nobody's, whatever a pattern says. */
export function isOwnUser(ctx: Context, service: AppService, userId: string): boolean {
  return domainOf(userId) === ctx.config.server_name && ownsUser(service, userId)
}

/** Those in its namespaces, by their ids or aliases. */
async function selectOwnRooms(
  ctx: Context,
  service: AppService,
  roomIds: readonly string[],
): Promise<Set<string>> {
  const aliases = await selectAliasesOfRooms(ctx.db, roomIds)
  return new Set([
    ...roomIds.filter(roomId => covers(service.rooms, roomId)),
    ...aliases.filter(row => covers(service.aliases, row.room_alias)).map(row => row.room_id),
  ])
}
