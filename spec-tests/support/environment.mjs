/**
 * Where a test file runs: node's environment, and in it the built server.
 *
 * jest gives each test file modules of its own, and would load and compile the server, and an
 * embedded database with it, a hundred times. Outside of that, in the worker itself, they are loaded
 * once; each test file still starts a server of its own, with data of its own. So are the schemas of
 * the specification.
 */
import { TestEnvironment } from 'jest-environment-node'

export default class extends TestEnvironment {
  #testFile

  constructor(config, context) {
    super(config, context)
    this.#testFile = context.testPath
  }

  async setup() {
    await super.setup()
    this.global.hourglass = await import('../../dist/server/testing/ours.js')
    this.global.hourglass.keepSharedDatabase()
    const { conformance } = await import('../../dist/spec-tests/support/conformance.js')
    this.global.conformance = conformance(this.#testFile)
  }

  async teardown() {
    this.global.conformance?.end()
    await super.teardown()
  }
}
