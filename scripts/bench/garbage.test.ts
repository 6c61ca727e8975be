/**
 * What a request has made is gone with it. Objects whose hidden class is theirs alone, and tables that
 * lead from one to the next, keep a fifth to a third of it for nothing (decision 80).
 */
import { runScript } from '../../spec-tests/support/scripts.ts'

const isPostgres = process.env.HOURGLASS_TEST_DATABASE_URL !== undefined
const engine = ['--engine', isPostgres ? 'postgres' : 'pglite']

test('requests leave nothing behind that outlives a collection', async () => {
  const { exitCode, stdout } = await runScript('bench', ['--garbage', ...engine])
  expect({ exitCode, stdout }).toEqual({
    exitCode: 0,
    stdout: expect.stringMatching(/whoami: [\s\S]*restart: [\s\S]*requests leave nothing behind/),
  })
}, 300_000)
