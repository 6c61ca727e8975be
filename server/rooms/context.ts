/** What rooms are given: all that they remember, and of others only whom they have to ask or to tell. */
import type { Ground } from '../ground.ts'
import type { AppService } from '../matrix/app-service.ts'
import type { Erasures } from './erasures.ts'
import type { LatestEvents } from './latest-events.ts'
import type { Restrictions } from './restrictions.ts'
import type { RoomHeads } from './room-heads.ts'
import type { RoomStates } from './state-before.ts'
import type { UnreadCounts } from './unread-counts.ts'

export interface Context extends Ground {
  readonly roomStates: RoomStates
  readonly roomHeads: RoomHeads
  readonly latestEvents: LatestEvents
  readonly erasures: Erasures
  readonly restrictions: Restrictions
  readonly unread: UnreadCounts
  readonly appServices: {
    /** @throws 400 M_EXCLUSIVE */
    assertMayManageAlias(alias: string, asker: AppService | undefined): void
  }
  readonly typing: {
    stop(roomId: string, userId: string): void
  }
}
