import { callMember } from '../constants.ts'
import type { Scenario } from '../scenario.ts'

const heats = 20
const delayMs = 1_000

export const stateUpdateRacesTheFire: Scenario = {
  story:
    "Bob writes over alice's membership in the moment in which her delayed leave is due, twenty times: " +
    'shortly before, shortly after, and at the same time.',
  mustSee:
    'One of two things, never both and never neither: the leave was sent, and bob wrote over it; or ' +
    'bob was first, and the leave was cancelled and never comes. What the server says of the delayed ' +
    'event is what the room shows.',
  async run(world) {
    const [alice, bob] = [await world.person('alice'), await world.person('bob')]
    const room = await world.room(alice, bob)
    const isIn = { application: 'm.call', scope: 'm.room' }
    const tally = { sent: 0, cancelled: 0 }
    const wrong: string[] = []
    for (let heat = 0; heat < heats; heat++) {
      const key = `heat-${heat}`
      await alice.setState(room, callMember, key, isIn)
      const delayId = await alice.delayState(room, delayMs, callMember, key, {})
      const overwrite = () => bob.setState(room, callMember, key, { ...isIn, by: 'bob' })
      if (heat === 0) {
        await world.pass(delayMs - 1)
        await overwrite()
        await world.pass(1)
      } else if (heat === 1) {
        await world.pass(delayMs)
        await overwrite()
      } else {
        // Each heat gives the clock a longer start.
        const passing = world.pass(delayMs)
        for (let turn = 0; turn < (heat - 2) * 3; turn++) await new Promise(setImmediate)
        await Promise.all([passing, overwrite()])
      }
      await world.pass(10_000)

      const { chunk } = await bob.messages(room, { dir: 'f', limit: 1_000 })
      const contents = chunk
        .filter(one => one.state_key === key)
        .map(({ content }) => Object.keys(content).length)
      const record = (await alice.finalised()).find(one => one.delayed_event.delay_id === delayId)
      const outcome =
        contents.join(' ') === '2 0 3'
          ? 'sent'
          : contents.join(' ') === '2 3'
            ? 'cancelled'
            : 'neither'
      const said =
        record?.outcome === 'send' ? 'sent' : record?.outcome === 'cancel' ? 'cancelled' : 'nothing'
      if (outcome === 'neither' || outcome !== said) wrong.push(`${key}: ${contents}, said ${said}`)
      else tally[outcome] += 1
      if (heat === 0) world.see('bob a millisecond before: cancelled', outcome, 'cancelled')
      if (heat === 1) world.see('bob after it: sent', outcome, 'sent')
    }
    world.tell(`${tally.sent} were sent, ${tally.cancelled} cancelled`)
    world.see('in every heat it was one of the two, and the server said which', wrong, [])
    world.see('none is scheduled any more', await world.scheduled(alice), [])
  },
}
