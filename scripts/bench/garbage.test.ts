/**
 * What a request has made is gone with it. Objects whose hidden class is theirs alone, and tables that
 * lead from one to the next, keep a fifth to a third of it for nothing (decision 80).
 */
import { runScript } from '../../spec-tests/support/scripts.ts'
import { Collections } from './garbage.ts'

const isPostgres = process.env.HOURGLASS_TEST_DATABASE_URL !== undefined
const engine = ['--engine', isPostgres ? 'postgres' : 'pglite']

test.each([
  [
    'of V8 14',
    (gc: string) => ` GC: {"gc":"${gc}","allocated":4000,"new_space_survived":100,"x":1}`,
  ],
  ['of older ones', (gc: string) => ` pause=1 gc=${gc} allocated=4000 new_space_survived=100 x=1`],
])('what the collector says, in the words %s', (_, line) => {
  const collections = new Collections()
  collections.heed(line('s'))
  collections.heed(line('ms'))
  collections.heed('Memory pool: Removed pages: 0')
  expect(collections.takeShare()).toBe(0.025)
})

test('requests leave nothing behind that outlives a collection', async () => {
  const { exitCode, stdout } = await runScript('bench', ['--garbage', ...engine])
  expect({ exitCode, stdout }).toEqual({
    exitCode: 0,
    stdout: expect.stringMatching(/whoami: [\s\S]*restart: [\s\S]*requests leave nothing behind/),
  })
}, 300_000)
