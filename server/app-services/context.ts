/** What telling application services is given. */
import type { Context as RoomsContext } from '../rooms/context.ts'
import type { Presence } from '../user-data/presence.ts'
import type { Typing } from '../user-data/typing.ts'
import type { AppServices } from './app-services.ts'

export interface Context extends RoomsContext {
  readonly appServices: AppServices
  readonly presence: Presence
  readonly typing: Typing
}
