/** What somebody says in a room, for tests. */
import type { EventRow } from '../../db/schema.ts'
import { transaction } from '../../db/transaction.ts'
import type { JsonObject } from '../lib/json.ts'
import type { Requester } from '../requester.ts'
import type { Context } from './context.ts'
import { sendMessage } from './send-event.ts'

/** Sent once: the same body again is the same message. */
export function say(
  ctx: Context,
  sender: Requester,
  roomId: string,
  body: string,
  extra: JsonObject = {},
): Promise<EventRow> {
  const content = { msgtype: 'm.text', body, ...extra }
  const message = { roomId, type: 'm.room.message', content, transactionId: body }
  return transaction(ctx.db, tx => sendMessage(ctx, tx, sender, message))
}
