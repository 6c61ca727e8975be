import { breachesIn, forgottenMigrations } from './check-house-rules.ts'

/** Written in pieces, so that this file keeps the rules itself. */
const only = ['test', 'only'].join('.')
const skip = ['describe', 'skip'].join('.')
const select = ['SELECT', '* FROM users'].join(' ')
const builder = ['q', "selectFrom('users')"].join('.')

describe('a breach of the house rules is found', () => {
  test.each([
    ['server/rooms/x.ts', 'const now = Date.now()', 'ask ctx.clock what time it is'],
    ['server/rooms/x.ts', 'const now = new Date()', 'ask ctx.clock what time it is'],
    ['db/x.ts', 'const now = performance.now()', 'ask ctx.clock what time it is'],
    ['server/sync/x.ts', 'setTimeout(wake, 5)', 'set timers with ctx.clock'],
    ['server/sync/x.ts', 'setInterval(wake, 5)', 'set timers with ctx.clock'],
    ['server/sync/x.ts', "import { x } from 'node:timers/promises'", 'set timers with ctx.clock'],
    ['server/sync/x.ts', 'AbortSignal.timeout(5)', 'set timers with ctx.clock'],
    ['server/media/x.ts', 'Math.random()', 'take chance from lib/random.ts'],
    ['db/open.ts', 'process.env.DATABASE_URL', 'take options from ctx.config'],
    ['server/http/x.ts', "console.log('here')", 'write with ctx.log'],
    ['server/http/x.ts', 'process.stdout.write(line)', 'write with ctx.log'],
    [
      'db/events.ts',
      '.where(sql`sent_at < NOW()`)',
      'SQL is told what time it is: pass it as a parameter',
    ],
    [
      'db/events.ts',
      'DEFAULT CURRENT_TIMESTAMP',
      'SQL is told what time it is: pass it as a parameter',
    ],
    ['server/rooms/x.ts', select, 'SQL lives in db/'],
    ['server/rooms/x.ts', builder, 'SQL lives in db/'],
    ['spec-tests/x.test.ts', select, 'SQL lives in db/'],
    ['server/rooms/x.test.ts', `${only}('this one', () => {})`, 'every test runs'],
    ['spec-tests/x.test.ts', `${skip}('not yet', () => {})`, 'every test runs'],
  ])('%s: %s', (file, line, message) => {
    expect(breachesIn(file, `// first\n${line}\n`)).toEqual([{ file, line: 2, message }])
  })

  test('a migration that nobody lists', () => {
    const index = "import { a } from './0001_a.ts'\nexport const migrations = { '0001_a': a }"
    const names = ['0001_a.ts', '0002_b.ts', '0002_b.test.ts', 'index.ts']
    expect(forgottenMigrations(names, index)).toEqual([
      { file: 'db/migrations/0002_b.ts', line: 1, message: 'list it in db/migrations/index.ts' },
    ])
  })

  test('a migration that is imported but not run', () => {
    const index = "import { a } from './0001_a.ts'"
    expect(forgottenMigrations(['0001_a.ts'], index)).toHaveLength(1)
  })
})

describe('what is allowed passes', () => {
  test.each([
    ['server/lib/clock.ts', 'Date.now()'],
    ['server/main.ts', 'process.stdout.write(process.env.HOME)'],
    ['server/rooms/x.test.ts', 'setTimeout(done, 5)'],
    ['server/rooms/x.ts', 'const now = ctx.clock.now()'],
    ['server/rooms/x.ts', 'new Date(sentTs).toISOString()'],
    ['server/rooms/x.ts', '/** Nobody else calls Date.now or setTimeout. */'],
    ['server/rooms/x.ts', 'const at = 5 // not Date.now()'],
    ['server/rooms/x.ts', "log.info('Select a room from the list')"],
    ['db/events.ts', builder],
    ['server/rooms/x.test.ts', builder],
    ['spec-tests/x.test.ts', 'test.each(cases)'],
  ])('%s: %s', (file, line) => {
    expect(breachesIn(file, line)).toEqual([])
  })
})
