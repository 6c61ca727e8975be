/**
 * Telling application services what happens: events in the order of the stream, one transaction
 * after the other, each until it is acknowledged.
 *
 *   nothing to tell ──events of interest──► transaction stored ──2xx──► nothing to tell
 *                                             └──anything else──► the same again, with back-off
 *
 * A transaction is stored together with the position that it reaches, before it is sent. So after
 * a restart it is sent again as it was, and what came behind it follows: nothing is lost or
 * skipped, and a service knows a repetition by its id. Nobody reads past `settled()`.
 *
 * Spec: Application Service API "Pushing events"
 */
import { insertUser } from '../../db/accounts.ts'
import { insertAppService, selectAppService, updateAppService } from '../../db/app-services.ts'
import { selectAllFinalisedBetween } from '../../db/delayed-events-lists.ts'
import { selectEventsBetween } from '../../db/events.ts'
import { selectAllReceiptsBetween } from '../../db/receipts.ts'
import { transaction } from '../../db/transaction.ts'
import type { JsonObject } from '../lib/json.ts'
import { randomToken } from '../lib/random.ts'
import type { AppService } from '../matrix/app-service.ts'
import { finalisedMembers } from '../rooms/delayed-event-form.ts'
import { clientForm, delayIdIn } from '../rooms/present-event.ts'
import { allRoomsTopic, ephemeralTopic, finalisedTopic } from '../stream/notifier.ts'
import { callAppService } from './call.ts'
import type { Context } from './context.ts'
import { selectEphemeral } from './ephemeral.ts'
import { isOwnUser, selectInteresting } from './interest.ts'

const batchSize = 100
/** After a failure: 1 s, doubled each time, at the most this. */
const longestBackOffMs = 300_000
/** Of what does not concern a service, it is written down only now and then how far it has seen. */
const positionsBetweenWrites = 1_000

export class Transactions {
  readonly #stopping: AbortController[] = []
  #running: Promise<unknown> = Promise.resolve()

  /** Begin with every service that is registered; a new one hears of what happens from now on. */
  async start(ctx: Context): Promise<void> {
    for (const service of ctx.appServices.all) await introduce(ctx, service)
    this.#running = Promise.all(
      ctx.appServices.all.map(one => {
        // One each: by its signal the notifier knows who is at work.
        const stopping = new AbortController()
        this.#stopping.push(stopping)
        return tell(ctx, one, stopping.signal)
      }),
    )
  }

  /** Whether by this signal the notifier knows one of those who tell a service: they wait for somebody else. */
  isTelling(signal: AbortSignal): boolean {
    return this.#stopping.some(one => one.signal === signal)
  }

  /** Abort what is being sent; it is stored, and sent again after the next start. */
  async stop(): Promise<void> {
    for (const stopping of this.#stopping) stopping.abort()
    await this.#running
  }
}

/** The service's own user exists from the beginning: nobody registers it. */
async function introduce(ctx: Context, service: AppService): Promise<void> {
  await transaction(ctx.db, async tx => {
    await insertUser(tx, {
      user_id: service.senderUserId,
      password_hash: null,
      is_guest: false,
      is_admin: false,
      created_ts: ctx.clock.now(),
      deactivated_ts: null,
      displayname: null,
      avatar_url: null,
    })
    await insertAppService(tx, service.id, ctx.positions.settled())
  })
}

/** Until the server stops. */
async function tell(ctx: Context, service: AppService, signal: AbortSignal): Promise<void> {
  const { url } = service
  if (url === undefined) return
  ctx.notifier.begin(signal)
  const topics = [
    allRoomsTopic,
    ...(service.ephemeralKey ? [ephemeralTopic] : []),
    ...(ctx.config.delayed_events.finalised_on_sync ? [finalisedTopic] : []),
  ]
  let seen = 0
  let failures = 0
  while (!signal.aborted && !ctx.notifier.isStopped()) {
    try {
      seen = await makeTransaction(ctx, service, seen)
      if (await deliver(ctx, { ...service, url }, signal)) failures = 0
      else await ctx.notifier.wait(topics, seen, Number.POSITIVE_INFINITY, signal)
    } catch (error) {
      if (signal.aborted) return
      failures += 1
      const waitMs = Math.min(1_000 * 2 ** (failures - 1), longestBackOffMs)
      const { message } = error as Error
      ctx.log.warn({ app_service: service.id, failures }, `not acknowledged: ${message}`)
      // Nobody publishes this; time, or a stop, ends the wait.
      const nobody = [`retry:${service.id}`]
      await ctx.notifier.wait(nobody, 0, ctx.clock.now() + waitMs, signal)
    }
  }
}

/**
 * Store the next transaction, unless one is waiting for its acknowledgement.
 *
 * @param seen how far we have looked already (inclusive)
 * @returns how far we have looked now; above it nothing had settled, or there is a transaction
 */
async function makeTransaction(ctx: Context, service: AppService, seen: number): Promise<number> {
  const row = await selectAppService(ctx.db, service.id)
  if (row.transaction !== null) return seen
  let after = Math.max(seen, row.position)
  const upTo = ctx.positions.settled()
  while (after < upTo) {
    const { body, reached } = await gather(ctx, service, after, upTo)
    if (body) {
      await transaction(ctx.db, tx =>
        updateAppService(tx, {
          app_service_id: service.id,
          position: reached,
          transaction_id: randomToken(12),
          transaction: JSON.stringify(body),
        }),
      )
      return reached
    }
    after = reached
    if (after - row.position > positionsBetweenWrites) {
      row.position = after
      await transaction(ctx.db, tx => updateAppService(tx, row))
    }
  }
  return after
}

/**
 * What concerns the service in (after, upTo], or in the part of it that fits into one transaction.
 *
 * @returns how far it reaches (inclusive), and no body if there is nothing to tell
 */
async function gather(
  ctx: Context,
  service: AppService,
  after: number,
  upTo: number,
): Promise<{ body: JsonObject | undefined; reached: number }> {
  const { ephemeralKey } = service
  const receipts = ephemeralKey
    ? await selectAllReceiptsBetween(ctx.db, after, upTo, batchSize)
    : []
  const receiptsEnd = endOf(receipts, upTo)
  const finalised = await selectFinalised(ctx, after, receiptsEnd)
  const finalisedEnd = endOf(finalised, receiptsEnd)
  const events = await selectEventsBetween(ctx.db, after, finalisedEnd, batchSize)
  const reached = endOf(events, finalisedEnd)
  const interesting = await selectInteresting(ctx, service, events)
  const read = receipts.filter(receipt => receipt.position <= reached)
  const window = { after, upTo: reached }
  const ephemeral = ephemeralKey ? await selectEphemeral(ctx, service, window, read) : []
  const ended = finalised.filter(
    row => row.position <= reached && isOwnUser(ctx, service, row.user_id),
  )
  if (interesting.length + ephemeral.length + ended.length === 0) {
    return { body: undefined, reached }
  }
  const now = ctx.clock.now()
  const shown = interesting.map(event => ({
    ...clientForm(event),
    unsigned: {
      age: now - event.origin_server_ts,
      // What its users sent, it sent.
      ...(ctx.appServices.isUserOf(service, event.sender) ? delayIdIn(event) : {}),
    },
  })) as unknown as JsonObject[]
  return {
    body: {
      events: shown,
      ...(ephemeralKey ? { [ephemeralKey]: ephemeral } : {}),
      ...finalisedMembers(ended, ctx.config.delayed_events),
    },
    reached,
  }
}

/** Delayed events of all users that were finalised in (after, upTo], or the first of them (MSC4309). */
async function selectFinalised(ctx: Context, after: number, upTo: number) {
  const { config, notifier } = ctx
  if (!config.delayed_events.finalised_on_sync || !notifier.hasMoved(finalisedTopic, after)) {
    return []
  }
  const rows = await selectAllFinalisedBetween(ctx.db, after, upTo, batchSize)
  return rows.map(row => ({ ...row, position: row.finalised_position }))
}

/** How far a batch tells everything. */
function endOf(batch: readonly { position: number }[], upTo: number): number {
  const last = batch.at(-1)
  return last && batch.length >= batchSize ? last.position : upTo
}

/**
 * Send the transaction that is stored, if there is one.
 *
 * @returns false if there is none
 * @throws Error if it was not acknowledged
 */
async function deliver(
  ctx: Context,
  service: AppService & { url: string },
  signal: AbortSignal,
): Promise<boolean> {
  const row = await selectAppService(ctx.db, service.id)
  if (row.transaction === null) return false
  const { status } = await callAppService(ctx, service, {
    method: 'PUT',
    path: `/transactions/${row.transaction_id}`,
    body: row.transaction,
    signal,
  })
  if (status < 200 || status > 299) throw new Error(`it answered ${status}`)
  const acknowledged = { ...row, transaction_id: null, transaction: null }
  await transaction(ctx.db, tx => updateAppService(tx, acknowledged))
  return true
}
