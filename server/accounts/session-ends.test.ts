/** Who polls in the very moment in which an account is locked: over HTTP nobody can choose that moment. */
import { labClock } from '../lib/lab-clock.ts'
import { Notifier } from '../stream/notifier.ts'
import { SessionEnds } from './session-ends.ts'

const alice = {
  userId: '@alice:hs1',
  deviceId: 'PHONE',
  isGuest: false,
  isAdmin: false,
  isRateLimited: true,
}

test('a poll that begins when its account has been locked already is refused', async () => {
  const locked = new Set([alice.userId])
  const notifier = new Notifier(labClock(0))
  const ends = new SessionEnds(notifier, userId => locked.has(userId))
  const poll = () => ends.during(alice, async assertStands => assertStands())
  await expect(poll()).rejects.toMatchObject({ status: 401, errcode: 'M_USER_LOCKED' })
  locked.clear()
  await poll()
})
