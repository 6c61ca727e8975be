/** Delayed events of which everything has become that can. */
import type { Client } from './client.ts'
import type { TestServer } from './server.ts'
import type { JsonObject } from './wire.ts'

const hour = 3_600_000

/** A room in which Alice has one of each that can become of a delayed state event. */
export class OneOfEach {
  readonly server: TestServer
  readonly alice: Client
  readonly room: string
  readonly #ids = new Map<string, string>()

  static async make(server: TestServer): Promise<OneOfEach> {
    const [alice, bob] = [await server.user('alice'), await server.user('bob')]
    const events = { 'm.test': 0, 'm.secret': 100 }
    const levels = { users: { [alice.userId]: 100 }, events }
    const body = { power_level_content_override: levels, room_version: '11' }
    const all = new OneOfEach(
      server,
      alice,
      await alice.createRoom({ preset: 'public_chat', ...body }),
    )
    await bob.join(all.room)
    const { room } = all

    const overtaken = await all.#schedule('overtaken')
    await bob.setState(room, 'm.test', overtaken.key, { by: 'bob' })
    await server.advance(1_000)
    await alice.manage((await all.#schedule('cancelled')).delayId, 'cancel')
    await server.advance(1_000)
    await alice.manage((await all.#schedule('sent on request')).delayId, 'send')
    await all.#schedule('sent when due', 1_000)
    await server.advance(1_000)
    await all.#schedule('failed', 1_000, 'm.secret')
    await alice.setState(room, 'm.room.power_levels', '', {
      ...levels,
      users: { [alice.userId]: 50 },
    })
    await server.advance(1_000)
    await all.#schedule('scheduled')
    return all
  }

  private constructor(server: TestServer, alice: Client, room: string) {
    this.server = server
    this.alice = alice
    this.room = room
  }

  async #schedule(key: string, delayMs = hour, type = 'm.test') {
    const delayId = await this.alice.delayState(this.room, delayMs, type, key, { n: 1 })
    this.#ids.set(key, delayId)
    return { key, delayId }
  }

  id(name: string): string {
    return this.#ids.get(name) ?? ''
  }

  get(path: string): Promise<JsonObject> {
    return this.alice.ok('GET', path)
  }

  /** The members of an item that every draft has. */
  item(name: string, type = 'm.test'): JsonObject {
    const base = { delay_id: this.id(name), room_id: this.room, type, state_key: name }
    return { ...base, content: { n: 1 } }
  }
}
