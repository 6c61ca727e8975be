import { statusesOf } from '../call-client.ts'
import { heartbeat } from '../constants.ts'
import type { Scenario } from '../scenario.ts'

export const heartbeatStops: Scenario = {
  story: "Alice's laptop dies in the middle of a call.",
  mustSee:
    'She leaves the call once, exactly one delay after the last restart that reached the server, ' +
    'and not a millisecond before; the SDK of the other participant sees it.',
  async run(world) {
    const [alice, bob] = [await world.person('alice'), await world.person('bob')]
    const room = await world.room(alice, bob)
    const alices = await world.laptop("alice's laptop", alice, room)
    const bobs = await world.laptop("bob's laptop", bob, room)
    await world.join(alices, bobs)
    await world.pass(62_000)
    world.see('both are in the call for longer than a delay', bobs.participants(), [
      ...[alice.deviceId, bob.deviceId].sort(),
    ])
    world.see('every heartbeat has found its delayed leave', statusesOf(alices, bobs), [200])
    alices.machine.die()
    world.tell("alice's laptop dies")
    const lastRestart = (alices.restarts().at(-1)?.at ?? 0) - world.beganAt
    const left = lastRestart + heartbeat.delayMs - world.time

    await world.pass(left - 1)
    world.see('a millisecond before, she is still there', bobs.participants().length, 2)
    await world.pass(1)
    world.see('then bob is alone, by the count of his SDK', bobs.participants(), [bob.deviceId])
    const leaves = (await world.call(bob, room)).filter(({ is }) => is === 'out')
    world.see('her leave is the one that there is, and was sent on time', leaves, [
      {
        device: alice.deviceId,
        is: 'out',
        at: lastRestart + heartbeat.delayMs,
        sender: alice.userId,
      },
    ])
    await world.pass(60_000)
    world.see(
      'nothing more comes of it',
      (await world.call(bob, room)).filter(({ is }) => is === 'out').length,
      1,
    )
    world.see('nothing of hers is scheduled', await world.scheduled(alice), [])
  },
}
