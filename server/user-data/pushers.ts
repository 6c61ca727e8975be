/**
 * Where users want to be notified.
 *
 * Spec: Client-Server API "Push Notifications", "Client behaviour"
 */
import { lockUser } from '../../db/accounts.ts'
import { deletePushers, lockPushkey, selectPushers, upsertPusher } from '../../db/push.ts'
import type { PusherRow } from '../../db/schema.ts'
import { selectDevice } from '../../db/sessions.ts'
import { transaction } from '../../db/transaction.ts'
import type { JsonObject } from '../lib/json.ts'
import { invalidParam, missingParam, unknownToken } from '../matrix/errors.ts'
import type { Requester } from '../requester.ts'
import type { Context } from './context.ts'

export interface PusherForm {
  appId: string
  pushkey: string
  kind: string
  appDisplayName: string
  deviceDisplayName: string
  profileTag: string | undefined
  lang: string
  data: JsonObject
  /** Whether others may use the same pushkey at the same time. */
  append: boolean
}

/** Spec: GET /pushers */
export async function pushersOf(ctx: Context, userId: string): Promise<JsonObject> {
  const rows = await selectPushers(ctx.db, userId)
  return { pushers: rows.map(wireForm) }
}

function wireForm(row: PusherRow): JsonObject {
  return {
    app_id: row.app_id,
    pushkey: row.pushkey,
    kind: row.kind,
    app_display_name: row.app_display_name,
    device_display_name: row.device_display_name,
    ...(row.profile_tag === null ? {} : { profile_tag: row.profile_tag }),
    lang: row.lang,
    data: JSON.parse(row.data) as JsonObject,
  }
}

/**
 * Make a pusher, or write it over. It belongs to the device that sets it, and goes with it.
 *
 * @throws 400 M_INVALID_PARAM another kind than http, or a URL that is no push gateway's · 400
 *   M_MISSING_PARAM an application service that names no device
 * Spec: POST /pushers/set
 */
export async function setPusher(
  ctx: Context,
  { userId, deviceId }: Requester,
  form: PusherForm,
): Promise<void> {
  if (form.kind !== 'http') throw invalidParam('This server has pushers of kind http only')
  if (deviceId === '') throw missingParam('An application service has to name a device')
  assertGateway(form.data)
  const data = JSON.stringify(form.data)
  if (Buffer.byteLength(data) > 16_384) throw invalidParam('data is too long')
  await transaction(ctx.db, async tx => {
    const key = { app_id: form.appId, pushkey: form.pushkey }
    await lockPushkey(tx, key)
    await lockUser(tx, userId)
    // Logged out a moment ago.
    if (!(await selectDevice(tx, userId, deviceId))) throw unknownToken()
    if (!form.append) await deletePushers(tx, key, { except: userId })
    tx.afterCommit(() => ctx.pushDelivery.add({ user_id: userId, ...key }))
    await upsertPusher(tx, {
      user_id: userId,
      ...key,
      device_id: deviceId,
      kind: form.kind,
      app_display_name: form.appDisplayName,
      device_display_name: form.deviceDisplayName,
      profile_tag: form.profileTag ?? null,
      lang: form.lang,
      data,
      created_ts: ctx.clock.now(),
      // What has been is not pushed.
      pushed_up_to: ctx.positions.latest(),
    })
  })
}

/** Remove a pusher; one that is not there does not matter. Spec: POST /pushers/set, `kind` null */
export async function removePusher(
  ctx: Context,
  userId: string,
  key: { app_id: string; pushkey: string },
): Promise<void> {
  await transaction(ctx.db, tx => deletePushers(tx, key, { only: userId }))
}

/** Deviation: http is taken too, because gateways of developers and tests have no certificate. */
function assertGateway(data: JsonObject): void {
  const { url, format } = data
  const parsed = typeof url === 'string' && URL.canParse(url) ? new URL(url) : undefined
  const isHttp = parsed && ['https:', 'http:'].includes(parsed.protocol)
  if (!isHttp || parsed.pathname !== '/_matrix/push/v1/notify') {
    throw invalidParam('data.url must be an HTTP URL with the path /_matrix/push/v1/notify')
  }
  if (parsed.username || parsed.password) throw invalidParam('data.url must not have a password')
  if (format !== undefined && format !== null && typeof format !== 'string') {
    throw invalidParam('data.format must be a string')
  }
}
