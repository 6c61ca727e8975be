import { callMember } from '../constants.ts'
import type { Scenario } from '../scenario.ts'

const hour = 3_600_000
const restartEveryMs = 300_000

export const delegatedLeaveWithoutAToken: Scenario = {
  story:
    'Alice hands the id of her delayed leave, an hour ahead, to the service that serves the media ' +
    '(lk-jwt-service). Her browser crashes, and two hours later her media end. The service has no token.',
  mustSee:
    'As long as the media flow, the service keeps her in the call; when they end it sends her leave at ' +
    'once, in her name. Asked again it is content; it can restart nothing any more. With a token that ' +
    'is none it is refused.',
  async run(world) {
    const [alice, bob] = [await world.person('alice'), await world.person('bob')]
    const room = await world.room(alice, bob)
    const key = `_${alice.userId}_${alice.deviceId}_m.call`
    const delayId = await alice.delayState(room, hour, callMember, key, {})
    await alice.setState(room, callMember, key, { application: 'm.call', scope: 'm.room' })
    await alice.ok('POST', '/_matrix/client/v3/logout')
    world.tell("alice's browser is gone, and so is her session")
    const statuses = new Set<number>()
    for (let ms = 0; ms < 2 * hour; ms += restartEveryMs) {
      await world.pass(restartEveryMs)
      statuses.add((await world.service(delayId, 'restart')).status)
    }
    world.see('every restart without a token is 200', [...statuses], [200])
    world.see('two hours later she is still in the call', await world.turns(bob, room), [
      `${alice.deviceId} in`,
    ])
    const forged = await world.service(delayId, 'send', { token: 'none' })
    world.see(
      'a token that is none is 401',
      [forged.status, forged.body.errcode],
      [401, 'M_UNKNOWN_TOKEN'],
    )
    const sentAt = world.time
    world.see('sending is 200', (await world.service(delayId, 'send')).status, 200)
    const leaves = (await world.call(bob, room)).filter(({ is }) => is === 'out')
    world.see('her leave is there at once, in her name', leaves, [
      { device: alice.deviceId, is: 'out', at: sentAt, sender: alice.userId },
    ])
    world.see(
      'sending again is 200, and sends nothing',
      (await world.service(delayId, 'send')).status,
      200,
    )
    const late = await world.service(delayId, 'restart')
    world.see('restarting is 404', [late.status, late.body.errcode], [404, 'M_NOT_FOUND'])
    await world.pass(2 * hour)
    world.see('and nothing else comes', (await world.call(bob, room)).length, 2)
  },
}
