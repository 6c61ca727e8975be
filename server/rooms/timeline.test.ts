import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Tx } from '../../db/transaction.ts'
import { parseConfig } from '../config.ts'
import { createContext, type RunningContext } from '../context.ts'
import { labClock } from '../lib/lab-clock.ts'
import { eventsTopic } from '../stream/notifier.ts'
import { parseToken } from '../stream/token.ts'
import { createRoom, newRoomRequest } from './create-room.ts'
import { requesterNamed } from './test-requester.ts'
import { readMessages } from './timeline.ts'

let ctx: RunningContext
let dataDir: string
beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'hourglass-'))
  const config = parseConfig({ server_name: 'hs1', data_dir: dataDir, log_level: 'error' }, 'test')
  ctx = await createContext(config, { clock: labClock(Date.UTC(2030, 0, 1)) })
})
afterAll(async () => {
  await ctx.stop()
  await rm(dataDir, { recursive: true, force: true })
})

const alice = requesterNamed('alice')

/** A transaction that ends when it is told to; on PGlite no two real ones can be open at once. */
function heldTransaction() {
  const endings: ((committed: boolean) => void)[] = []
  const tx = { onEnd: ending => endings.push(ending) } as Pick<Tx, 'onEnd'> as Tx
  return { tx, commit: () => endings.forEach(ending => void ending(true)) }
}

test('the page of a room’s end begins before what is sent while it is read', async () => {
  const roomId = await createRoom(ctx, alice, newRoomRequest)
  const sending = heldTransaction()
  const position = ctx.positions.take(sending.tx, [eventsTopic(roomId)])
  const page = readMessages(ctx, alice, { roomId, dir: 'b', filter: undefined })
  sending.commit()
  const { start, chunk } = await page
  expect(chunk).not.toEqual([])
  expect(parseToken(start, ctx.positions.latest()).position).toBe(position - 1)
})
