/** Somebody who asks for something, for tests. */
import type { Requester } from '../requester.ts'

export const requesterNamed = (name: string): Requester => ({
  userId: `@${name}:hs1`,
  deviceId: 'DEVICE',
  isGuest: false,
  isAdmin: false,
  isRateLimited: true,
})
