/**
 * All tests on the embedded database, and, where DATABASE_URL is set, those that touch a database
 * on that PostgreSQL too. What follows on the command line is for jest.
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

interface Outcome {
  exitCode: number
  passed: number
  failed: number
}

const jest = createRequire(import.meta.url).resolve('jest/bin/jest')
const { DATABASE_URL: databaseUrl, ...environment } = process.env
delete environment.HOURGLASS_TEST_DATABASE_URL

function run(heading: string, args: readonly string[], env: NodeJS.ProcessEnv): Outcome {
  process.stdout.write(`\n${heading}\n${'='.repeat(heading.length)}\n\n`)
  const folder = mkdtempSync(join(tmpdir(), 'hourglass-tests-'))
  const outputFile = join(folder, 'results.json')
  try {
    const { status } = spawnSync(
      process.execPath,
      [jest, ...process.argv.slice(2), ...args, '--json', '--outputFile', outputFile],
      { stdio: ['ignore', 'ignore', 'inherit'], env: { ...env, NODE_OPTIONS: nodeOptions() } },
    )
    return { exitCode: status ?? 1, ...countsIn(outputFile) }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Node 20 wants to be asked for ES modules in jest, and then warns of them. */
function nodeOptions(): string {
  return [
    process.env.NODE_OPTIONS ?? '',
    '--experimental-vm-modules',
    '--disable-warning=ExperimentalWarning',
  ].join(' ')
}

/** A file that could not be run counts as one failed test. */
function countsIn(outputFile: string): { passed: number; failed: number } {
  try {
    const results = JSON.parse(readFileSync(outputFile, 'utf8'))
    return {
      passed: results.numPassedTests,
      failed: results.numFailedTests + results.numRuntimeErrorTestSuites,
    }
  } catch {
    return { passed: 0, failed: 1 }
  }
}

for (const script of ['compile-postgresql.js', 'build-database-template.js', 'bundle.js']) {
  const path = fileURLToPath(new URL(script, import.meta.url))
  const { status } = spawnSync(process.execPath, [path], { stdio: 'inherit' })
  if (status !== 0) process.exit(1)
}

const outcomes = [run('On the embedded database (PGlite)', [], environment)]
if (databaseUrl) {
  outcomes.push(
    run(
      'On PostgreSQL (DATABASE_URL)',
      [
        '--testMatch',
        '<rootDir>/(db|spec-tests)/**/*.test.ts',
        '<rootDir>/scripts/(homerunner|scenarios)/*.test.ts',
        '--passWithNoTests',
      ],
      { ...environment, HOURGLASS_TEST_DATABASE_URL: databaseUrl },
    ),
  )
} else {
  process.stdout.write('\nDATABASE_URL is not set: nothing was tested on PostgreSQL.\n')
}

const passed = outcomes.reduce((sum, outcome) => sum + outcome.passed, 0)
const failed = outcomes.reduce((sum, outcome) => sum + outcome.failed, 0)
process.stdout.write(`\n${passed} passed, ${failed} failed\n`)
process.exitCode = outcomes.find(outcome => outcome.exitCode !== 0)?.exitCode ?? 0
