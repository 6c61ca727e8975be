/** The known ways in which calls break, by name. */
import type { Scenario } from './scenario.ts'
import { answerLostAfterARestart } from './stories/answer-lost-after-a-restart.ts'
import { delegatedLeaveWithoutAToken } from './stories/delegated-leave-without-a-token.ts'
import { heartbeatStops } from './stories/heartbeat-stops.ts'
import { laptopSleepsAndWakesAsItsLeaveFires } from './stories/laptop-sleeps-and-wakes-as-its-leave-fires.ts'
import { lateToACallOfStickyEvents } from './stories/late-to-a-call-of-sticky-events.ts'
import { serverDownLongerThanTheDelay } from './stories/server-down-longer-than-the-delay.ts'
import { stateUpdateRacesTheFire } from './stories/state-update-races-the-fire.ts'
import { stormOf429BehindOneAddress } from './stories/storm-of-429-behind-one-address.ts'
import { twoDevicesOfOneUser } from './stories/two-devices-of-one-user.ts'

export const scenarios: Readonly<Record<string, Scenario>> = {
  'heartbeat-stops': heartbeatStops,
  'server-down-longer-than-the-delay': serverDownLongerThanTheDelay,
  'answer-lost-after-a-restart': answerLostAfterARestart,
  'storm-of-429-behind-one-address': stormOf429BehindOneAddress,
  'laptop-sleeps-and-wakes-as-its-leave-fires': laptopSleepsAndWakesAsItsLeaveFires,
  'state-update-races-the-fire': stateUpdateRacesTheFire,
  'two-devices-of-one-user': twoDevicesOfOneUser,
  'delegated-leave-without-a-token': delegatedLeaveWithoutAToken,
  'late-to-a-call-of-sticky-events': lateToACallOfStickyEvents,
}
