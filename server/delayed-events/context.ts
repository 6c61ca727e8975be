/** What delayed events are given: what is remembered of them, and whom to tell of a deadline. */
import type { ManagedRow } from '../../db/delayed-events.ts'
import type { Together } from '../lib/together.ts'
import type { Context as RoomsContext } from '../rooms/context.ts'
import type { ManagedEvents } from './managed-events.ts'
import type { ScheduledAtMost } from './scheduled-at-most.ts'

export interface Context extends RoomsContext {
  /** A delayed event by its id. */
  readonly delayedEvents: ManagedEvents
  readonly restarts: Together<ManagedRow, boolean>
  readonly scheduledAtMost: ScheduledAtMost
  /** `Scheduler` */
  readonly scheduler: {
    noteDeadline(sendAt: number): void
    noteRestart(delayId: string, sendAt: number): void
  }
}
