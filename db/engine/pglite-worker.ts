/** What runs in the thread of `pglite-thread.ts`: PostgreSQL, and a wire to whoever started it. */
import { parentPort, workerData } from 'node:worker_threads'
import { startEngine } from './pglite-engine.ts'
import type { FromEngine, ToEngine } from './pglite-thread.ts'

const port = parentPort
if (!port) throw new Error('this is to be run in a thread')
const tell = (message: FromEngine, transfer: ArrayBuffer[] = []) =>
  port.postMessage(message, transfer)

try {
  const engine = await startEngine(workerData, reason => tell({ lost: reason.message }))
  port.on('message', async (message: ToEngine) => {
    if (message === 'close') {
      await engine.close()
      port.close()
      return
    }
    engine.ask(message, bytes => {
      // A piece of memory of its own: only as a whole does it change hands without being copied.
      const answer = new Uint8Array(bytes)
      tell(answer, [answer.buffer])
    })
  })
  tell('started')
} catch (error) {
  tell({ failed: (error as Error).message })
  port.close()
}
