/** MSC4140: what is to become an event later. See ../schema.ts. */
import type { Generated } from 'kysely'

export type DelayedEventStatus = 'scheduled' | 'sent' | 'cancelled' | 'failed'

export type DelayedEventCause = 'delay' | 'action' | 'state_update' | 'group' | 'error'

export type CancelPolicy = 'any' | 'other_user' | 'none'

export interface DelayedEventTable {
  delay_id: string
  /** Order of scheduling, for those that are due at the same moment. */
  seq: Generated<number>
  user_id: string
  device_id: string | null
  room_id: string
  type: string
  /** Null: a message event. */
  state_key: string | null
  /** JSON, exactly as submitted. */
  content: string
  /** What an application service wants it to say; null: the time when it is sent. */
  origin_server_ts: number | null
  /** MSC4354, counted from when it is sent; null: it is not sticky. */
  sticky_duration_ms: number | null
  /** Null: it waits for an action, in a group of which another member has a delay. */
  delay_ms: number | null
  /** When it was scheduled or last restarted. */
  since_ts: number
  /** `since_ts + delay_ms`; null with it. */
  send_at: number | null
  /** When the scheduler looks at it: at `send_at`, or, if it was restarted, before; null with it. */
  wake_at: number | null
  /** Whose newer state event cancels it; fixed by the dialect that scheduled it. */
  cancel_policy: CancelPolicy
  dialect: string
  /** False: its sender is an application service that no limit counts. */
  is_rate_limited: Generated<boolean>
  status: DelayedEventStatus
  /** What finalised it; null while scheduled. */
  cause: DelayedEventCause | null
  finalised_ts: number | null
  /** Position: `/sync` tells what became of it; null while scheduled, and of what was over before that was told. */
  finalised_position: number | null
  /** Sent only. */
  event_id: string | null
  /** `{ errcode, error, … }` as JSON: why it failed, or that a state update cancelled it. */
  error: string | null
  /** Of the scheduled events of one user and group, one is sent. */
  group_id: string | null
  /** The name by which the request that made the group calls it: `send_on_action:hangup`. */
  member: string | null
  /** The event that was sent in the same request. If that is state, this ends with it. */
  follows_event_id: string | null
  /** The txnId of the request, where a list is to show it. */
  transaction_id: string | null
}

/** What bearing a secret entitles to; `future` and `expire` are those whose requests say what. */
export type SecretPower = 'send' | 'cancel' | 'refresh' | 'future' | 'expire'

/** Secrets that stand for a delayed event, in the drafts that manage without a token. */
export interface DelayedEventSecretRow {
  secret_hash: string
  delay_id: string
  power: SecretPower
}
