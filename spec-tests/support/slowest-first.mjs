/**
 * The order of test files. jest begins with those that took longest the last time; in a clone that is fresh
 * it goes by their size, and one that is short and takes a minute would be begun last, and alone.
 */
import TestSequencer from '@jest/test-sequencer'

const isSlow = ({ path }) => path.endsWith('/torture.test.ts')

export default class extends TestSequencer {
  sort(tests) {
    const sorted = super.sort(tests)
    return [...sorted.filter(isSlow), ...sorted.filter(test => !isSlow(test))]
  }
}
