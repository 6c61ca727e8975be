import { Writable } from 'node:stream'
import { makeLog } from './log.ts'

test("PostgreSQL's errors are logged without the row that they are about", () => {
  const lines: string[] = []
  const log = makeLog(
    'info',
    new Writable({
      write(line, _, done) {
        lines.push(String(line))
        done()
      },
    }),
  )
  const error = Object.assign(new Error('duplicate key'), {
    code: '23505',
    detail: 'Key (delay_id)=(hgd_secret) already exists.',
    where: "unnamed portal with parameters: $1 = 'hgd_secret'",
  })
  log.error({ err: error }, 'a delayed event broke')
  expect(lines).toHaveLength(1)
  expect(JSON.parse(lines[0] ?? '')).toMatchObject({ err: { code: '23505' } })
  expect(lines[0]).not.toContain('hgd_secret')
})
