/** Who asks. */
import type { AppService } from './matrix/app-service.ts'
import { forbidden } from './matrix/errors.ts'

export interface Requester {
  userId: string
  /** Empty: an application service that asks for a user, and has named none of their devices. */
  deviceId: string
  isGuest: boolean
  isAdmin: boolean
  /** False only for application services that are registered with `rate_limited: false`. */
  isRateLimited: boolean
  /** The application service that asks in the name of the user. */
  appService?: AppService
}

/** @throws 403 M_FORBIDDEN unless the requester is this user: what is asked for is theirs alone */
export function assertSelf(requester: Requester, userId: string): void {
  if (userId !== requester.userId) throw forbidden('That belongs to another user')
}
