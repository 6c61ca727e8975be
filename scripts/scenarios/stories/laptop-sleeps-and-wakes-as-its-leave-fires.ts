import { statusesOf } from '../call-client.ts'
import { heartbeat } from '../constants.ts'
import type { Scenario } from '../scenario.ts'

export const laptopSleepsAndWakesAsItsLeaveFires: Scenario = {
  story: 'Alice closes her laptop and opens it in the very millisecond in which her leave is due.',
  mustSee:
    'The leave was sent, once. Her SDK, whose restart comes too late, joins again by itself, with a ' +
    'delayed leave of its own: no ghost, and no leave without a join.',
  async run(world) {
    const [alice, bob] = [await world.person('alice'), await world.person('bob')]
    const room = await world.room(alice, bob)
    const alices = await world.laptop("alice's laptop", alice, room)
    const bobs = await world.laptop("bob's laptop", bob, room)
    await world.join(alices, bobs)
    await world.pass(21_000)
    world.see('every heartbeat has found its delayed leave', statusesOf(alices, bobs), [200])
    alices.machine.sleep()
    world.tell("alice's laptop falls asleep")
    const lastRestart = alices.restarts().at(-1)?.at ?? 0
    const dueAt = lastRestart + heartbeat.delayMs
    await world.pass(dueAt - world.server.now())
    alices.machine.wake()
    world.tell("alice's laptop wakes, as her leave is sent")
    world.see('bob sees her leave', bobs.participants(), [bob.deviceId])
    await world.pass(20_000)
    const turnsOfAlice = (await world.call(bob, room)).filter(
      ({ device }) => device === alice.deviceId,
    )
    const outs = turnsOfAlice.filter(({ is }) => is === 'out')
    world.see(
      'her leave was sent once, on time',
      outs.map(({ at }) => at),
      [dueAt - world.beganAt],
    )
    world.see(
      'she was in, out and in again',
      (await world.turns(bob, room)).filter(turn => turn.startsWith(alice.deviceId)),
      ['in', 'out', 'in'].map(is => `${alice.deviceId} ${is}`),
    )
    world.see(
      'both SDKs count two',
      [alices.participants().length, bobs.participants().length],
      [2, 2],
    )
    const scheduled = await world.scheduled(alice)
    world.see('she has one delayed leave', scheduled.length, 1)
    world.see('the SDK has not given up', alices.gaveUp, [])

    alices.machine.die()
    world.tell("alice's laptop dies")
    await world.pass(heartbeat.delayMs)
    world.see('and that one takes her out', bobs.participants(), [bob.deviceId])
  },
}
