import type { Scenario } from '../scenario.ts'

const restart = 'POST /_matrix/client/unstable/org.matrix.msc4140/delayed_events/{delay_id}/restart'

export const answerLostAfterARestart: Scenario = {
  story: "The server restarts alice's delayed leave, and the connection breaks before the answer.",
  mustSee:
    'The restart has counted: her leave does not come although the SDK believes that it failed and ' +
    'asks again. She never leaves the call, and has one delayed leave all the time.',
  async run(world) {
    const [alice, bob] = [await world.person('alice'), await world.person('bob')]
    const room = await world.room(alice, bob)
    const alices = await world.laptop("alice's laptop", alice, room)
    await world.join(alices)
    await world.pass(20_000)
    const [scheduled] = await world.scheduled(alice)
    world.server.fault({
      kind: 'answer_lost',
      delayId: scheduled?.delay_id,
      endpoint: restart,
      count: 3,
    })
    world.tell('the next three answers to a restart are lost')
    const before = alices.restarts().length
    await world.pass(30_000)
    const after = alices.restarts().slice(before)
    world.see(
      'three answers were lost',
      after.filter(({ status }) => status === undefined).length,
      3,
    )
    const [firstLost] = after
    const sinceTs = (await world.scheduled(alice)).map(
      ({ running_since: since }) => since > (firstLost?.at ?? 0),
    )
    world.see('one leave is scheduled, and restarting has gone on', sinceTs, [true])
    world.see(
      'it is the same one',
      (await world.scheduled(alice))[0]?.delay_id,
      scheduled?.delay_id,
    )
    world.see('she never left', await world.turns(bob, room), [`${alice.deviceId} in`])
    world.see('the SDK has not given up', alices.gaveUp, [])
  },
}
