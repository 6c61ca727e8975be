/** What encryption is given. */
import type { Tx } from '../../db/transaction.ts'
import type { Context as RoomsContext } from '../rooms/context.ts'

export interface Context extends RoomsContext {
  /** `/sync` tells how many one-time keys there are. */
  readonly keyCounts: {
    forget(tx: Tx, userId: string): void
  }
}
