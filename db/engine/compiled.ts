/**
 * PostgreSQL's WebAssembly as machine code, made when the project is built. Otherwise V8 compiles each of
 * its 14,000 functions when it is first called, and those that are called often a second time,
 * better, and does so in every process again. Browsers keep such code beside the page that it came with; node
 * has all that it takes for that, and no name for it but those of V8's own tests
 * (server/docs/decisions/0088-postgresql-is-compiled-once.md).
 */
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { cachedDataVersionTag, setFlagsFromString } from 'node:v8'

/**
 * All of it is compiled at once, and by the compiler that takes its time; V8 tells code by these, too. The
 * last follows from the one before, and would not come back with it.
 */
const options = {
  'allow-natives-syntax': true,
  'wasm-lazy-compilation': false,
  liftoff: false,
  'wasm-dynamic-tiering': false,
}

/**
 * What V8's tests call, which is JavaScript only after {@link options} have been set. Of the world in which
 * this file is: jest gives each test file one, and PGlite knows no modules of another.
 */
const v8 = {
  compile: (bytes: Uint8Array): ArrayBuffer =>
    new Function('bytes', 'return %SerializeWasmModule(new WebAssembly.Module(bytes))')(bytes),
  /** Nothing if the code is of another V8, or of one with other options. */
  load: (code: ArrayBuffer, bytes: Uint8Array): WebAssembly.Module | undefined =>
    new Function('code', 'bytes', 'return %DeserializeWasmModule(code, bytes)')(code, bytes),
}

function readOfPglite(name: string): Buffer {
  const main = createRequire(import.meta.url).resolve('@electric-sql/pglite')
  return readFileSync(join(dirname(main), name))
}
const readBytes = () => readOfPglite('pglite.wasm')

/** What the code hangs on: PGlite's version, and V8's, with its options and what the processor can do. */
function fileName(): string {
  const { version } = JSON.parse(readOfPglite('../package.json').toString())
  return `pglite-${version}-${cachedDataVersionTag()}.code`
}

function setOptions(isCompiling: boolean): void {
  for (const [name, value] of Object.entries(options)) {
    setFlagsFromString(value === isCompiling ? `--${name}` : `--no-${name}`)
  }
}

/** Whether this V8 has such tests: until 13, which is in Node 24. */
export function canBeCompiled(): boolean {
  setOptions(true)
  try {
    new Function('module', '%SerializeWasmModule(module)')
    return true
  } catch {
    return false
  } finally {
    setOptions(false)
  }
}

/**
 * Compile it for later processes that are like this one, if that is not done yet, and forget what was
 * compiled for others. Takes all processors for seconds, and this process is for nothing else afterwards: V8
 * keeps the options.
 */
export function writeCompiled(folder: string): void {
  const file = join(folder, fileName())
  if (existsSync(file)) return
  setOptions(true)
  const code = v8.compile(readBytes())
  for (const name of readdirSync(folder)) {
    if (name.endsWith('.code')) rmSync(join(folder, name), { force: true })
  }
  // It appears under its name only when it is whole: V8 looks at how it begins, and believes the rest.
  const unfinished = `${file}.${process.pid}`
  writeFileSync(unfinished, new Uint8Array(code))
  renameSync(unfinished, file)
}

/**
 * @returns nothing where it has not been compiled for a process like this one, or cannot be read; nor, now and
 *   then, while another thread does the same: options are the process's, and it may take them back too soon
 */
export function readCompiled(folder: string): WebAssembly.Module | undefined {
  const file = join(folder, fileName())
  if (!existsSync(file)) return undefined
  try {
    // The whole buffer: only small files share one.
    const code = readFileSync(file).buffer as ArrayBuffer
    const bytes = readBytes()
    setOptions(true)
    return v8.load(code, bytes)
  } catch {
    return undefined
  } finally {
    setOptions(false)
  }
}
