/**
 * `npm run torture` in its short form: real processes on a real database, killed with SIGKILL at the
 * steps where most is at stake; and the proof that it would report it if not everything held.
 */
import { runScript } from '../support/scripts.ts'

test('25 kills: each delayed event becomes one event or none, as was answered', async () => {
  const { exitCode, stdout } = await runScript('torture', ['--kills', '25'])
  expect({ exitCode, stdout }).toEqual({ exitCode: 0, stdout: expect.stringContaining('all held') })
}, 600_000)

test('a server that is broken on purpose is reported', async () => {
  const { exitCode, stdout } = await runScript('torture', [
    ...['--self-test', '--kills', '10'],
    // Without the unique index and the condition of the claim; with a claim that is committed apart.
    ...['--sabotage', 'sent-twice', '--sabotage', 'claimed-apart'],
  ])
  expect({ exitCode, stdout }).toEqual({
    exitCode: 0,
    stdout: expect.stringMatching(/reported as duplicate[\s\S]*reported as lost/),
  })
}, 600_000)
