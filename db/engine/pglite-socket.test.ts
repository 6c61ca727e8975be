import { spawnSync } from 'node:child_process'

const reader = `
  const { SharedPglite } = await import('./dist/db/engine/shared-pglite.js')
  const { sql } = await import('kysely')
  const shared = await SharedPglite.start()
  await shared.make('reader')
  const { q } = await shared.open('reader')
  for (let i = 0; i < 200; i++) await sql\`SELECT repeat('x', 1000000)\`.execute(q)
  await shared.stop()
`

test('what was read is not kept: 200 MB go through a heap of 100', () => {
  const { status, stderr } = spawnSync(
    process.execPath,
    ['--max-old-space-size=100', '--input-type=module', '--eval', reader],
    { encoding: 'utf8' },
  )
  expect(`${status} ${stderr}`).toBe('0 ')
})
