import { statusesOf } from '../call-client.ts'
import { heartbeat } from '../constants.ts'
import type { Scenario } from '../scenario.ts'

export const twoDevicesOfOneUser: Scenario = {
  story: 'Alice is in the call with her laptop and with her phone. The phone dies.',
  mustSee:
    "Only the phone leaves. The laptop's own updates have not cancelled the phone's delayed leave, " +
    "nor the phone's leave the laptop's.",
  async run(world) {
    const [alice, bob] = [await world.person('alice'), await world.person('bob')]
    const onPhone = await world.deviceOf(alice)
    const room = await world.room(alice, bob)
    const laptop = await world.laptop("alice's laptop", alice, room)
    const phone = await world.laptop("alice's phone", onPhone, room)
    await world.join(laptop, phone)
    await world.pass(20_000)
    world.see(
      'both devices are in the call',
      laptop.participants(),
      [alice.deviceId, onPhone.deviceId].sort(),
    )
    world.see('each has its delayed leave', (await world.scheduled(alice)).length, 2)
    // An SDK whose delayed leave is gone schedules another, and nobody notices.
    world.see('which every heartbeat has found', statusesOf(laptop, phone), [200])
    phone.machine.die()
    world.tell("alice's phone dies")
    const dueAt = (phone.restarts().at(-1)?.at ?? 0) + heartbeat.delayMs
    await world.pass(dueAt - world.server.now() - 1)
    world.see('a millisecond before, both are there', laptop.participants().length, 2)
    await world.pass(1)
    world.see('then the laptop is alone', laptop.participants(), [alice.deviceId])
    await world.pass(60_000)
    world.see(
      'it stays in the call',
      (await world.turns(bob, room)).sort(),
      [`${alice.deviceId} in`, `${onPhone.deviceId} in`, `${onPhone.deviceId} out`].sort(),
    )
    world.see('one delayed leave is left', (await world.scheduled(alice)).length, 1)
    world.see('which every heartbeat of the laptop has found', statusesOf(laptop), [200])
    world.see("the laptop's SDK has not given up", laptop.gaveUp, [])
  },
}
