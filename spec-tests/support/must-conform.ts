import type { Conformance } from './conformance.ts'
import type { CheckedAnswer } from './specification.ts'

declare global {
  /** Of the test file that runs: see environment.mjs. */
  var conformance: Conformance
}

/** Fail the test if an answer is neither as specified nor listed in deviations.ts. */
export function mustConform(answer: CheckedAnswer): void {
  // Scripts, such as the scenarios, use the same client, and have none.
  const checking: Conformance | undefined = globalThis.conformance
  const problems = checking?.check(answer) ?? []
  if (problems.length === 0) return
  const { method, path, status, text } = answer
  const told = problems.map(problem => `  ${problem}`).join('\n')
  throw new Error(
    `${method} ${path} answers ${status} otherwise than specified:\n${told}\n${text.slice(0, 2_000)}`,
  )
}
