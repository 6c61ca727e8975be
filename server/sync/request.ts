/** What `/sync` is asked for. */
import type { Filter } from '../matrix/filter.ts'
import type { PresenceState } from '../user-data/presence.ts'

/** MSC4222: `state` stands before the timeline, the others after it, by the name that was asked. */
export type StateKeyName = 'state' | 'state_after' | 'org.matrix.msc4222.state_after'

export interface SyncRequest {
  since: string | undefined
  timeoutMs: number
  filter: Filter
  fullState: boolean
  setPresence: PresenceState
  stateKeyName: StateKeyName
}
