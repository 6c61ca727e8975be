/** What somebody at a shell is told who does not know a script, or writes to it what it does not know. */
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

function run(script: string, ...args: string[]) {
  const file = fileURLToPath(new URL(`../dist/scripts/${script}.js`, import.meta.url))
  const env = { ...process.env, DATABASE_URL: undefined, NODE_OPTIONS: undefined }
  const { status, stdout, stderr } = spawnSync(process.execPath, [file, ...args], {
    env,
    encoding: 'utf8',
  })
  return { exitCode: status, stdout, stderr }
}

test.each([
  ['bench/main', 'npm run bench --'],
  ['torture/main', 'npm run torture --'],
  ['races/main', 'npm run races --'],
  ['repeats', 'npm run repeats --'],
  ['scenarios/main', 'npm run scenario --'],
  ['homerunner/main', 'npm run homerunner:'],
  ['demo/main', 'npm run demo:'],
  ['measure', 'npm run measure:'],
])(
  '%s says what it can be told, and refuses the rest with one line',
  (script, beginning) => {
    const help = run(script, '--help')
    expect(help).toEqual({
      exitCode: 0,
      stdout: expect.stringMatching(`^${beginning}`),
      stderr: '',
    })
    const refusal = run(script, '--bogus')
    expect(refusal).toEqual({
      exitCode: 2,
      stdout: '',
      stderr: expect.stringMatching(/^Unknown option '--bogus'[^\n]*\n$/),
    })
  },
  60_000,
)

test.each([
  ['an engine that is none', 'bench/main', ['--engine', 'mysql']],
  ['PostgreSQL, and none is there', 'bench/main', ['--engine', 'postgres']],
  ['rows that there are not', 'bench/main', ['--only', 'nothing']],
  ['no number of kills', 'torture/main', ['--kills', 'many']],
  ['no seed', 'torture/main', ['--seed', 'x']],
  ['a sabotage that there is not', 'torture/main', ['--self-test', '--sabotage', 'sand']],
  ['no seed', 'races/main', ['--seed', 'x']],
  ['no contests', 'races/main', ['--rounds', '0']],
  ['half a time', 'repeats', ['--times', '0.5']],
  ['options that are no JSON', 'scenarios/main', ['heartbeat-stops', '--options', '{bad']],
])(
  '%s: %s ends with one line',
  (_, script, args) => {
    const refusal = run(script, ...args)
    expect(refusal).toEqual({
      exitCode: 2,
      stdout: '',
      stderr: expect.stringMatching(/^[^\n]+\n$/),
    })
  },
  60_000,
)
