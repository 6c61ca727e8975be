/**
 * What the answers to a test file show: that they are as specified, and which endpoints are tested
 * there. `npm run conformance` makes server/docs/conformance.md of it.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { endpoints } from '../../server/testing/ours.ts'
import { PathTable } from './path-table.ts'
import {
  type CheckedAnswer,
  deviationsMet,
  eventProblems,
  findDeviations,
} from './specification.ts'

/** What is written to HOURGLASS_CONFORMANCE_DIR, a file for each test file. */
export interface ConformanceRecord {
  testFile: string
  /** How many, by {@link endpointName}. */
  requests: Record<string, number>
  /** Which of deviations.ts have been met in this worker so far, by their reasons. */
  deviations: string[]
}

export interface Conformance {
  /** @returns what is neither specified nor listed in deviations.ts */
  check(answer: CheckedAnswer): string[]
  /** Of each event in an answer, whoever has made it. */
  checkEvents(body: unknown): string[]
  /** Write the record, if somebody wants it. */
  end(): void
}

export function endpointName({
  method,
  paths,
}: Pick<(typeof endpoints)[number], 'method' | 'paths'>) {
  return `${method} ${paths[0]}`
}

const served = new PathTable<string>()
for (const one of endpoints) {
  for (const path of one.paths) served.add(one.method, path, endpointName(one))
}

export function conformance(testFile: string): Conformance {
  const requests = new Map<string, number>()
  return {
    check(answer) {
      const [path = ''] = answer.path.split('?')
      const name = served.find(answer.method, path.replace('/r0/', '/v3/'))
      if (name !== undefined) requests.set(name, (requests.get(name) ?? 0) + 1)
      return findDeviations(answer)
    },
    checkEvents: body => eventProblems(body, () => true),
    end() {
      const folder = process.env.HOURGLASS_CONFORMANCE_DIR
      if (folder === undefined || requests.size === 0) return
      const record: ConformanceRecord = {
        testFile: relative(process.cwd(), testFile),
        requests: Object.fromEntries(requests),
        deviations: deviationsMet().map(({ why }) => why),
      }
      mkdirSync(folder, { recursive: true })
      const name = record.testFile.replaceAll(/[^\w.-]/g, '_')
      writeFileSync(join(folder, `${name}.json`), JSON.stringify(record))
    },
  }
}
