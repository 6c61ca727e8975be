/** What every request has, whatever its endpoint. */
import { EventEmitter } from 'node:events'
import type { Context } from '../context.ts'
import { type Around, endpoint, type Request, type Response } from './endpoint.ts'

class StandIn extends EventEmitter {
  destroyed = false
  req = { method: 'GET' }
  sent = ''
  writeHead(): void {}
  end(text: string): void {
    this.sent = text
  }
}

test('a request is over when what it asked for is done, also while its answer is held back', async () => {
  let signal: AbortSignal | undefined
  const { run } = endpoint({
    method: 'GET',
    path: '/x',
    spec: 'none',
    auth: 'none',
    handle(call) {
      signal = call.signal
      return { is_over: signal.aborted }
    },
  })
  let wasOver: boolean | undefined
  const around: Around = async (_endpoint, _request, _response, act) => {
    const result = await act.answer()
    wasOver = signal?.aborted
    return result
  }
  const request = { url: '/x', method: 'GET', params: {} } as unknown as Request
  const response = new StandIn()
  await run({} as Context, around)(request, response as unknown as Response, () => undefined)
  expect(response.sent).toBe('{"is_over":false}')
  expect(wasOver).toBe(true)
})
