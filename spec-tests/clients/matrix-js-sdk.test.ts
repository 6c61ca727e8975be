/**
 * Unmodified matrix-js-sdk clients, each in a process of its own, against this server: what Element
 * Call does when a participant vanishes. Runs the programs in `dist/`, so build before.
 */
import { runDeadMansSwitch } from '../../scripts/demo/dead-mans-switch.ts'
import { startServer } from '../support/server.ts'

describe('matrix-js-sdk in a MatrixRTC call', () => {
  let server: Awaited<ReturnType<typeof startServer>>

  beforeAll(async () => {
    server = await startServer({ realTime: true })
  })

  afterAll(async () => {
    await server.stop()
  })

  test('a client that dies is taken out of the call: once, and not early', async () => {
    const happened: string[] = []
    const { checks } = await runDeadMansSwitch({
      baseUrl: server.baseUrl,
      log: line => happened.push(line),
      // Not a measurement: how punctual it is depends on what else this machine is doing.
      lateByAtMostMs: 15_000,
    })
    expect({ broken: checks.filter(({ held }) => !held), happened }).toEqual({
      broken: [],
      happened,
    })
  }, 90_000)
})
