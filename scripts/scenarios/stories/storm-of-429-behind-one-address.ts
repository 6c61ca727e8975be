import type { CallClient } from '../call-client.ts'
import { heartbeat } from '../constants.ts'
import type { Scenario } from '../scenario.ts'

const people = 6
const storm = 300
const restart = 'POST /_matrix/client/unstable/org.matrix.msc4140/delayed_events/{delay_id}/restart'

/** How long it waited after its last 429 before it asked again. */
function waitedMs(laptop: CallClient): number {
  const restarts = laptop.restarts()
  const at = restarts.findLastIndex(({ status }) => status === 429)
  return (restarts[at + 1]?.at ?? 0) - (restarts[at]?.at ?? 0)
}

export const stormOf429BehindOneAddress: Scenario = {
  story:
    'Six people are in a call from one address, with the limits on. From the same address somebody ' +
    'tries delay ids that do not exist, until it is 429. Then a proxy answers a heartbeat of each ' +
    'with 429, too.',
  mustSee:
    'Guessing is stopped, and costs nobody else anything: heartbeats count by delayed event. Who is ' +
    'told to wait waits as long as Retry-After says. A heartbeat comes 5 s into a delay of 8 s: ' +
    'whoever waits 2 s stays in the call, whoever waits 3 s is out, and comes back.',
  config: { rate_limits: { enabled: true } },
  async run(world) {
    const first = await world.person('person-0')
    const persons = [first]
    for (let i = 1; i < people; i++) persons.push(await world.person(`person-${i}`))
    const room = await world.room(first, ...persons.slice(1))
    const laptops: CallClient[] = []
    for (const [i, person] of persons.entries()) {
      laptops.push(await world.laptop(`laptop ${i}`, person, room))
    }
    await world.join(...laptops)
    await world.pass(10_000)
    // Right before all of them ask again: what the guesses have used up is not there again by then.
    const lastAt = Math.max(...laptops.map(laptop => laptop.restarts().at(-1)?.at ?? 0))
    await world.pass(lastAt + heartbeat.restartMs - world.server.now() - 50)

    const statuses: number[] = []
    for (let i = 0; i < storm; i++) {
      statuses.push((await world.service(`hgd_guess${i}`, 'restart')).status)
    }
    world.tell(`${storm} restarts of delayed events that do not exist, from the same address`)
    world.see('who guesses is stopped', [statuses[0], statuses.at(-1)], [404, 429])
    const before = laptops.map(laptop => laptop.restarts().length)
    await world.pass(30_000)
    const answers = laptops.flatMap((laptop, i) => laptop.restarts().slice(before[i]))
    world.see('no heartbeat was refused', [...new Set(answers.map(one => one.status))], [200])

    for (const { userId } of persons) {
      world.server.fault({ kind: 'rate_limited', userId, retryAfterMs: 2_000, endpoint: restart })
    }
    world.tell('one heartbeat of each is answered with 429, Retry-After: 2')
    await world.pass(30_000)
    world.see('each was told so once', world.server.faults.strikes().length, people)
    world.see('each waited for as long', [...new Set(laptops.map(waitedMs))], [2_000])
    const allIn = persons.map(({ deviceId }) => `${deviceId} in`).sort()
    world.see('nobody has left the call', (await world.turns(first, room)).sort(), allIn)

    const { userId, deviceId } = first
    world.server.fault({ kind: 'rate_limited', userId, retryAfterMs: 3_000, endpoint: restart })
    world.tell('one heartbeat of one of them is answered with 429, Retry-After: 3')
    await world.pass(30_000)
    world.see('that one was out, and came back', (await world.turns(first, room)).sort(), [
      ...[...allIn, `${deviceId} in`, `${deviceId} out`].sort(),
    ])
    world.see('one delayed leave is scheduled', (await world.scheduled(first)).length, 1)
    world.see(
      'no SDK has given up',
      laptops.flatMap(({ gaveUp }) => gaveUp),
      [],
    )
  },
}
