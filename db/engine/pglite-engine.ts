/**
 * PGlite, PostgreSQL as WebAssembly, as the other side of a wire: messages of PostgreSQL's protocol go
 * in, and its answers come out. In this thread here; in a thread of its own in `pglite-thread.ts`.
 */
import type { PGliteOptions } from '@electric-sql/pglite'
import { compiledDir } from '../built.ts'
import { readCompiled } from './compiled.ts'

export interface Engine {
  /**
   * Have PostgreSQL read these messages, each ending with what waits for an answer. `answer` is called
   * once, in the order of the calls.
   *
   * @throws if PostgreSQL is gone
   */
  ask(messages: readonly Uint8Array[], answer: (bytes: Uint8Array) => void): void
  /** Finish what has been asked, and write everything down. */
  close(): Promise<void>
}

/** Where PGlite keeps its files. */
export type EngineFiles = Pick<PGliteOptions, 'dataDir' | 'fs'>

/**
 * How statements are planned: once, when they are prepared, whatever the values are. Perhaps for tables
 * that are still empty, which would be read as a whole, and would still be when they have grown.
 */
export const planning = [
  'plan_cache_mode=force_generic_plan',
  'enable_seqscan=off',
  'enable_hashjoin=off',
  'enable_mergejoin=off',
  'enable_bitmapscan=off',
  'max_parallel_workers_per_gather=0',
]

/**
 * Start PGlite on a folder, or on files of its own kind. When PostgreSQL gives up, it says why only
 * on its standard error.
 *
 * @param lose is told when it gives up later
 */
export async function startEngine(
  files: EngineFiles,
  lose: (reason: Error) => void,
): Promise<Engine> {
  const { PGlite } = await import('@electric-sql/pglite')
  class Embedded extends PGlite {
    /** For parsers that nobody here uses: the driver has its own. A quarter of a start. */
    override async _initArrayTypes(): Promise<void> {}
  }
  let lastWords: string | undefined
  try {
    const pglite = new Embedded({
      ...files,
      pgliteWasmModule: readCompiled(compiledDir),
      // The log in pieces of 1 MB, not 16: a small server should be small, and quick to copy.
      initDbStartParams: ['--wal-segsize=1'],
      // Half of what PostgreSQL takes by default: measured, 65 MB less, and 40 ms sooner.
      startParams: [
        ...PGlite.defaultStartParams,
        ...['-c', 'shared_buffers=64MB'],
        ...planning.flatMap(setting => ['-c', setting]),
        // ANALYZE looks at the words of 900 texts, and not of 30,000: everybody waits for it here.
        ...['-c', 'default_statistics_target=3'],
      ],
      onStderr(line) {
        lastWords = /(?:FATAL|PANIC): +(.*)/.exec(line)?.[1] ?? lastWords
        if (line.includes('PANIC: ')) lose(new Error(lastWords))
        return true
      },
    })
    await pglite.waitReady
    /**
     * As a stream, although the answer is there when it returns: `execProtocolRawSync` also parses
     * it, and keeps every row of it for as long as the process lives.
     */
    const take = (message: Uint8Array, pieces: Buffer[]) =>
      void pglite
        .execProtocolRawStream(message, {
          syncToFs: false,
          // It lies in memory that the next piece may use again.
          onRawData: piece => void pieces.push(Buffer.from(piece)),
        })
        .catch(lose)
    return {
      ask(messages, answer) {
        const pieces: Buffer[] = []
        for (const message of messages) take(message, pieces)
        answer(Buffer.concat(pieces))
      },
      close: () => pglite.close(),
    }
  } catch (error) {
    throw lastWords === undefined ? error : new Error(lastWords)
  }
}
