/**
 * How much of what requests make outlives them. What nobody needs any more costs the collector of young
 * objects nothing; it copies what seems to be needed, and everybody waits meanwhile. It is a share, by
 * V8's own account, so it does not depend on the machine.
 */
import { Connections, type Exchange } from './http-client.ts'
import { MatrixClient, times } from './matrix-client.ts'
import type { Running } from './processes.ts'
import type { Stage } from './stage.ts'

/** Of what is made, at most so much may outlive a collection: what is being done just then. */
const most = 0.1
/** With fewer, little is being done just then, and what leads from one to the next seldom begins. */
const connections = 32

/** What the collector of a server says. */
export class Collections implements Running {
  readonly nodeFlags = ['--trace-gc-nvp']
  #made = 0
  #kept = 0

  /** A line of V8 14 is JSON, ` "name":1`; of older ones it is not, ` name=1`. */
  readonly heed = (line: string): void => {
    const said = (name: string) => new RegExp(`[ ,{]"?${name}"?[=:]"?(\\w+)`).exec(line)?.[1]
    if (said('gc') !== 's') return
    const bytes = (name: string) => Number(said(name) ?? 0)
    this.#made += bytes('allocated')
    this.#kept += bytes('new_space_survived')
  }

  /** The share that was kept since this was last asked. */
  takeShare(): number {
    const share = this.#kept / this.#made
    this.#made = 0
    this.#kept = 0
    return share
  }
}

/** @returns what was found, a line for each kind of request, and whether any leaves too much */
export async function measureGarbage(
  stage: Stage,
  collections: Collections,
): Promise<{ lines: string[]; isTooMuch: boolean }> {
  const { baseUrl } = await stage.server()
  const matrix = await MatrixClient.to(baseUrl)
  const { token } = await matrix.register()
  const roomId = await matrix.createRoom({ userId: '', token })
  matrix.close()
  const client = await Connections.open(baseUrl, connections)
  const delayIds: string[] = []
  const send = (i: string, query = ''): Exchange => ({
    method: 'PUT',
    path: `/_matrix/client/v3/rooms/${roomId}/send/m.room.message/${i}${query}`,
    token,
    body: '{"msgtype":"m.text","body":"The quick brown fox"}',
  })
  const kinds: Record<string, { count: number; request: (i: number) => Exchange }> = {
    whoami: {
      count: 8_000,
      request: () => ({ method: 'GET', path: '/_matrix/client/v3/account/whoami', token }),
    },
    send: { count: 4_000, request: i => send(`s${i}`) },
    schedule: { count: 4_000, request: i => send(`d${i}`, '?org.matrix.msc4140.delay=3600000') },
    restart: {
      count: 8_000,
      request: i => ({
        method: 'POST',
        path: `/_matrix/client/unstable/org.matrix.msc4140/delayed_events/${delayIds[i % delayIds.length]}/restart`,
        body: '{}',
      }),
    },
  }
  const lines: string[] = []
  let isTooMuch = false
  for (const [name, { count, request }] of Object.entries(kinds)) {
    const ask = async (i: number) => {
      const { status, body } = await client.exchange(request(i))
      if (status !== 200) throw new Error(`${name}: ${status} ${body.slice(0, 200)}`)
      if (name === 'schedule') delayIds.push(JSON.parse(body).delay_id)
    }
    await times(count / 2, ask, connections)
    collections.takeShare()
    await times(count, i => ask(count + i), connections)
    const share = collections.takeShare()
    // Not a number: nothing was collected, so nothing is known.
    if (!(share <= most)) isTooMuch = true
    lines.push(`${name}: ${(share * 100).toFixed(1)} % outlives a collection`)
  }
  client.close()
  return { lines, isTooMuch }
}
