/** What users' own data is given: what is not kept but in memory, and who pushes. */
import type { PusherKey } from '../../db/push.ts'
import type { Context as RoomsContext } from '../rooms/context.ts'
import type { Presence } from './presence.ts'
import type { Typing } from './typing.ts'

export interface Context extends RoomsContext {
  readonly presence: Presence
  readonly typing: Typing
  /** `PushDelivery` */
  readonly pushDelivery: {
    add(key: PusherKey): void
    keepJudged(userId: string): Promise<void>
  }
}
