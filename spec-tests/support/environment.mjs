/**
 * Where a test file runs: node's environment, and in it the built server.
 *
 * jest gives each test file modules of its own, and would load and compile the server, and an
 * embedded database with it, a hundred times. Outside of that, in the worker itself, they are loaded
 * once; each test file still starts a server of its own, with data of its own.
 */
import { TestEnvironment } from 'jest-environment-node'

export default class extends TestEnvironment {
  async setup() {
    await super.setup()
    this.global.hourglass = await import('../../dist/server/testing/index.js')
  }
}
