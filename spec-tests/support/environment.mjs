/**
 * Where a test file runs: node's environment, and in it the built server.
 *
 * jest gives each test file modules of its own, and would load and compile the server, and an
 * embedded database with it, a hundred times. Outside of that, in the worker itself, they are loaded
 * once; each test file still starts a server of its own, with data of its own. So are the schemas of
 * the specification.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import { existsSync, statSync } from 'node:fs'
import { TestEnvironment } from 'jest-environment-node'

// Empty is not set, as DATABASE_URL is for the server: the tests and what they start look only whether it is there.
if (process.env.HOURGLASS_TEST_DATABASE_URL === '') delete process.env.HOURGLASS_TEST_DATABASE_URL

const dist = new URL('../../dist/', import.meta.url)
const bundle = new URL('spec-tests-bundle/in-worker.js', dist)
const modules = new URL('spec-tests/support/in-worker.js', dist)

/** When it was written; tsc writes its own record whenever it has compiled something. */
const writtenMs = file => (existsSync(file) ? statSync(file).mtimeMs : 0)

// One file loads in a quarter of the time of eight hundred; but who has only compiled since has what
// is old in it.
const isFresh = writtenMs(bundle) > writtenMs(new URL('.tsbuildinfo', dist))
const { hourglass, conformance } = await import(isFresh ? bundle : modules)

// jest enters a storage of its own in each test file, and never leaves it for good. Until Node 24 every
// promise is told of every storage that was: after a hundred files that was a tenth of all the time.
const entered = new Set()
const { run } = AsyncLocalStorage.prototype
AsyncLocalStorage.prototype.run = function (...args) {
  entered.add(this)
  return run.apply(this, args)
}

export default class extends TestEnvironment {
  #testFile

  constructor(config, context) {
    super(config, context)
    this.#testFile = context.testPath
  }

  async setup() {
    await super.setup()
    this.global.hourglass = hourglass
    hourglass.keepSharedDatabase()
    this.global.conformance = conformance(this.#testFile)
  }

  async teardown() {
    this.global.conformance?.end()
    await super.teardown()
    for (const storage of entered) storage.disable()
    entered.clear()
  }
}
