import { readFileSync } from 'node:fs'
import { conformanceDocument, problemsWith, testsIn, testsOf } from './write-conformance.ts'

const document = readFileSync('server/docs/conformance.md', 'utf8')
const sync = 'GET /_matrix/client/v3/sync'

describe('server/docs/conformance.md', () => {
  test('has each endpoint with its tests, and each deviation', () => {
    expect(problemsWith(document)).toEqual([])
    expect(conformanceDocument(testsIn(document))).toBe(document)
  })

  test.each([
    [
      'an endpoint that is not in it',
      (row: string) => row.replace('/sync', '/sing'),
      `no test of ${sync}`,
    ],
    [
      'one that is gone',
      (row: string) => `${row.replace('/sync', '/sing')}\n${row}`,
      'GET /_matrix/client/v3/sing is not served any more',
    ],
    ['one without tests', (row: string) => row.replace(/[^|]*\|$/, ' |'), `no test of ${sync}`],
    [
      'a test that is gone',
      (row: string) => row.replace(/[^|]*\|$/, ' [a](../../spec-tests/a.test.ts) |'),
      `no test of ${sync}`,
    ],
    [
      'another link',
      (row: string) => row.replace('latest', 'oldest'),
      'it is not what the endpoint table and spec-tests/support/deviations.ts say',
    ],
  ])('is not right with %s', (_, change, problem) => {
    const changed = document.replace(/^\| `GET \/_matrix\/client\/v3\/sync` .*$/m, change)
    expect(problemsWith(changed)).toContain(problem)
  })

  test('names the tests that send the largest part of their requests there', () => {
    const records = [1, 2, 3, 4, 5].map(count => ({
      testFile: `spec-tests/complement.test.ts`.replace('complement', `${count}`),
      requests: { [sync]: count, 'GET /_matrix/client/versions': 1 },
      deviations: [],
    }))
    const tests = testsOf(records, new Map())
    expect(tests.get(sync)).toEqual(['5.test.ts', '4.test.ts', '3.test.ts', '2.test.ts'])
  })
})
