/** Heartbeats among so many outstanding delayed events, by id alone, as lk-jwt-service sends them. */
import { multiplyDelayedEvents } from '../../db/testing/behind-the-curtain.ts'
import type { Job } from './load.ts'
import { MatrixClient, type User } from './matrix-client.ts'
import type { Started } from './processes.ts'
import type { Stage } from './stage.ts'

export const manage = '/_matrix/client/unstable/org.matrix.msc4140/delayed_events'

/** The rate at which latency and cost are taken. */
export const heartbeatsPerSecond = 2_000

/** The most that are restarted in turn. */
const mostTargets = 20_000

/** A server that starts with so many. They are of one user, in one room. */
export async function startAmong(
  stage: Stage,
  outstanding: number,
): Promise<{ server: Started; user: User; roomId: string }> {
  const place = await stage.place()
  const first = await place.start()
  const matrix = await MatrixClient.to(first.baseUrl)
  const user = await matrix.register()
  const roomId = await matrix.createRoom(user)
  const query = 'org.matrix.msc4140.delay=3600000'
  await matrix.request('PUT', `/v3/rooms/${roomId}/send/m.test/1?${query}`, user.token, {})
  matrix.close()
  await first.stop()
  await place.withDatabase(db => multiplyDelayedEvents(db, outstanding))
  return { server: await place.start(), user, roomId }
}

/** Of them all, or of 20,000 that lie as far from each other as they can, one after the other. */
export function heartbeats(outstanding: number) {
  const count = Math.min(outstanding, mostTargets)
  const step = Math.floor(outstanding / count)
  return {
    method: 'POST',
    path: `${manage}/{target}/restart`,
    body: '{}',
    targets: Array.from({ length: count }, (_, i) => `bench_${((i * 7_919) % count) * step + 1}`),
    tokens: [null],
  } satisfies Partial<Job>
}
