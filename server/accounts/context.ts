/** What accounts are given: who is logged in, what they were answered, and what they have yet to prove. */
import type { Tx } from '../../db/transaction.ts'
import type { AppServices } from '../app-services/app-services.ts'
import type { Context as RoomsContext } from '../rooms/context.ts'
import type { Answers } from './answers.ts'
import type { JwtKey } from './jwt-key.ts'
import type { KnownSessions } from './known-sessions.ts'
import type { LastSeen } from './last-seen.ts'
import type { RegistrationNonces } from './registration-nonces.ts'
import type { SessionEnds } from './session-ends.ts'
import type { UiaSessions } from './uia-sessions.ts'

export interface Context extends RoomsContext {
  readonly sessions: KnownSessions
  readonly sessionEnds: SessionEnds
  readonly answers: Answers
  readonly uiaSessions: UiaSessions
  readonly registrationNonces: RegistrationNonces
  readonly lastSeen: LastSeen
  readonly appServices: AppServices
  /** Undefined: nobody logs in by JWT. */
  readonly jwtKey: JwtKey | undefined
  readonly keyCounts: {
    forget(tx: Tx, userId: string): void
  }
}
