/**
 * What a request costs beside the cheapest that express can answer, both in processor time of one
 * run, has not grown by half since it was recorded: `npm run bench -- --record` writes it down.
 */
import { runScript } from '../../spec-tests/support/scripts.ts'

const isPostgres = process.env.HOURGLASS_TEST_DATABASE_URL !== undefined
const engine = ['--engine', isPostgres ? 'postgres' : 'pglite']

test('no ratio to the ceiling has fallen by a third', async () => {
  const { exitCode, stdout } = await runScript('bench', ['--check', ...engine])
  expect({ exitCode, stdout }).toEqual({
    exitCode: 0,
    stdout: expect.stringMatching(/send: [\s\S]*restart: [\s\S]*wake: [\s\S]*no ratio has fallen/),
  })
}, 300_000)
