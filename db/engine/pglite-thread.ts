/**
 * PGlite in a thread of its own. While PostgreSQL works, requests are read and answered; a checkpoint,
 * or a search through everything, holds up only those who ask the database something.
 */
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import type { Engine } from './pglite-engine.ts'

/** What the threads tell each other. */
export type ToEngine = readonly Uint8Array[] | 'close'
export type FromEngine = Uint8Array | 'started' | { failed: string } | { lost: string }

/** What was compiled, beside this; jest runs the sources. */
const program = fileURLToPath(
  new URL(
    import.meta.url.endsWith('.ts')
      ? '../../dist/db/engine/pglite-worker.js'
      : './pglite-worker.js',
    import.meta.url,
  ),
)

/** As `startEngine`, on a folder. */
export function startEngineThread(dataDir: string, lose: (reason: Error) => void): Promise<Engine> {
  const worker = new Worker(program, { workerData: { dataDir } })
  const asked: ((bytes: Uint8Array) => void)[] = []
  const gone = new Promise<void>(resolve => worker.once('exit', () => resolve()))
  let isClosing = false
  return new Promise((resolve, reject) => {
    const fail = (reason: Error) => {
      reject(reason)
      lose(reason)
    }
    worker.on('error', fail)
    worker.on('exit', () => {
      if (!isClosing) fail(new Error('PGlite has ended'))
    })
    worker.on('message', (message: FromEngine) => {
      if (message instanceof Uint8Array) asked.shift()?.(message)
      else if (message === 'started') resolve(engine)
      else if ('failed' in message) fail(new Error(message.failed))
      else lose(new Error(message.lost))
    })
    const engine: Engine = {
      ask(messages, answer) {
        asked.push(answer)
        const own = messages.map(message => new Uint8Array(message))
        worker.postMessage(
          own satisfies ToEngine,
          own.map(message => message.buffer),
        )
      },
      async close() {
        isClosing = true
        worker.postMessage('close' satisfies ToEngine)
        await gone
      },
    }
  })
}
