import { statusesOf } from '../call-client.ts'
import { heartbeat, stickyMember } from '../constants.ts'
import type { Scenario } from '../scenario.ts'

export const lateToACallOfStickyEvents: Scenario = {
  story:
    "A call's memberships are sticky events (MSC4354). Bob's laptop sleeps as alice joins, carol comes to " +
    'the room when much has been said, and may not read it; then alice dies while bob sleeps again.',
  mustSee:
    'Both SDKs count alice, though no timeline that they are given holds her membership. Her leave is ' +
    'a delayed sticky event: it is sent once, on time, and bob hears of it when he wakes.',
  async run(world) {
    const [alice, bob] = [await world.person('alice'), await world.person('bob')]
    const carol = await world.person('carol')
    const room = await world.room(alice, bob)
    await alice.setState(room, 'm.room.history_visibility', '', { history_visibility: 'joined' })
    const much = async () => {
      for (let n = 0; n < 30; n += 1) await bob.say(room, `${n}`)
    }
    const alices = await world.laptop("alice's laptop", alice, room)
    const bobs = await world.laptop("bob's laptop", bob, room)

    bobs.machine.sleep()
    await world.joinSticky(alices)
    await much()
    await world.pass(60_000)
    world.see('every heartbeat has found its delayed leave', statusesOf(alices), [200])
    bobs.machine.wake()
    await carol.join(room)
    const carols = await world.laptop("carol's laptop", carol, room)
    await world.pass(20_000)
    world.see('bob, who slept, sees her in the call', bobs.participants(), [alice.deviceId])
    world.see('and carol, who came late, does', carols.participants(), [alice.deviceId])

    alices.machine.die()
    bobs.machine.sleep()
    world.tell("alice's laptop dies, and bob's sleeps")
    const due = (alices.restarts().at(-1)?.at ?? 0) + heartbeat.delayMs
    await world.pass(due - world.server.now() - 1)
    world.see('a millisecond before, she is still there', carols.participants(), [alice.deviceId])
    await world.pass(1)
    world.see('then she is not, by the count of an SDK', carols.participants(), [])
    await much()
    bobs.machine.wake()
    await world.pass(20_000)
    world.see('nor by that of one that slept through it', bobs.participants(), [])

    const { chunk } = await alice.messages(room, { dir: 'f', limit: 1_000 })
    const memberships = chunk.filter(({ type }) => type === stickyMember)
    const leaves = memberships.filter(({ content }) => content.member === undefined)
    world.see(
      'the leave is the one that there is, and was sent on time',
      leaves.map(({ sender, origin_server_ts: ts }) => [sender, ts]),
      [[alice.userId, due]],
    )
  },
}
