/** What became of a delayed event while the clock moved. */
export interface Fired {
  delay_id: string
  user_id: string
  room_id: string
  type: string
  /** Only of a state event. */
  state_key?: string
  outcome: 'sent' | 'cancelled' | 'failed'
  /**
   * `delay`: it was due; `action` and `state_update`: somebody did that meanwhile; `group`: another of
   * its group was sent, or none was left that has a delay, or what it would repeat was redacted.
   */
  cause: 'delay' | 'action' | 'state_update' | 'group' | 'error'
  /** When it was to be sent, Unix ms; not if it waited for an action. */
  send_at?: number
  /** When it was decided, Unix ms. */
  finalised_ts: number
  /** Only if it was sent. */
  event_id?: string
  /** Why it was not. */
  error?: { errcode: string; error: string }
}
