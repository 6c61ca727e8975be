import { heartbeat } from '../constants.ts'
import type { Scenario } from '../scenario.ts'

const downMs = 20_000

export const serverDownLongerThanTheDelay: Scenario = {
  story: 'The server is down for longer than the delay, while two people are in a call.',
  mustSee:
    'What fell due meanwhile is sent when the server starts, once for each; their SDKs find out, ' +
    'join again by themselves, and the call goes on with one delayed leave for each.',
  async run(world) {
    const [alice, bob] = [await world.person('alice'), await world.person('bob')]
    const room = await world.room(alice, bob)
    const both = [
      await world.laptop("alice's laptop", alice, room),
      await world.laptop("bob's laptop", bob, room),
    ]
    await world.join(...both)
    await world.pass(30_000)
    world.tell(`the server stops for ${downMs} ms; a delay is ${heartbeat.delayMs}`)
    await world.down(downMs)
    const upAt = world.time
    world.tell('the server is there again')
    const leaves = (await world.call(bob, room)).filter(({ is }) => is === 'out')
    world.see(
      'both leaves were sent when it started, by their own senders',
      leaves.map(({ sender, at }) => [sender, at]).sort(),
      [
        [alice.userId, upAt],
        [bob.userId, upAt],
      ],
    )
    await world.pass(30_000)
    const turns = (device: string) => ['in', 'out', 'in'].map(is => `${device} ${is}`)
    world.see(
      'each was in, out and in again, and no more',
      (await world.turns(bob, room)).sort(),
      [...turns(alice.deviceId), ...turns(bob.deviceId)].sort(),
    )
    for (const [name, caller] of [
      ['alice', both[0]],
      ['bob', both[1]],
    ] as const) {
      world.see(
        `${name}'s SDK counts two, and has not given up`,
        [caller?.participants().length, caller?.gaveUp],
        [2, []],
      )
    }
    for (const person of [alice, bob]) {
      world.see(
        `one leave of ${person.userId} is scheduled`,
        (await world.scheduled(person)).length,
        1,
      )
    }
  },
}
