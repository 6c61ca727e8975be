/** What `/sync` is given: reads that requests share, and whatever tells of what is not in the database. */
import type { SessionEnds } from '../accounts/session-ends.ts'
import type { Context as RoomsContext } from '../rooms/context.ts'
import type { Presence } from '../user-data/presence.ts'
import type { Typing } from '../user-data/typing.ts'
import type { KeyCounts } from './key-counts.ts'
import type { SyncReads } from './reads.ts'
import type { SlidingConnections } from './sliding/connections.ts'

export interface Context extends RoomsContext {
  readonly syncReads: SyncReads
  readonly keyCounts: KeyCounts
  readonly slidingConnections: SlidingConnections
  readonly sessionEnds: SessionEnds
  readonly presence: Presence
  readonly typing: Typing
}
