import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { cachedDataVersionTag } from 'node:v8'
import { compiledDir, templateDir } from '../built.ts'
import { canBeCompiled, readCompiled } from './compiled.ts'
import { startEngine } from './pglite-engine.ts'

let folder: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'hourglass-compiled-'))
})

afterEach(() => rmSync(folder, { recursive: true }))

/** What was built, under another name. */
function keepAs(rename: (name: string) => string): void {
  for (const name of readdirSync(compiledDir)) {
    expect(rename(name)).not.toBe(name)
    symlinkSync(join(compiledDir, name), join(folder, rename(name)))
  }
}

const asItIs = cachedDataVersionTag()

test('what was built is for processes like this one, if its V8 can do that, and it stays as it was', () => {
  const isThere = readCompiled(compiledDir) !== undefined
  expect(cachedDataVersionTag()).toBe(asItIs)
  expect(isThere).toBe(canBeCompiled())
  expect(cachedDataVersionTag()).toBe(asItIs)
})

test('what was compiled with other options, or for another processor, is not taken', () => {
  keepAs(name => name.replace(`${asItIs}`, `${asItIs + 1}`))
  expect(readCompiled(folder)).toBeUndefined()
})

test('nor what is of another PGlite', () => {
  keepAs(name => name.replace('pglite-', 'pglite-1'))
  expect(readCompiled(folder)).toBeUndefined()
})

test('a start takes it, and compiles nothing', async () => {
  const own = globalThis as unknown as { WebAssembly: { instantiate(code: object): unknown } }
  const { instantiate } = own.WebAssembly
  const given: string[] = []
  own.WebAssembly.instantiate = (code, ...more) => {
    given.push(Object.prototype.toString.call(code))
    return instantiate(code, ...more)
  }
  cpSync(templateDir, join(folder, 'pglite'), { recursive: true })
  const engine = await startEngine({ dataDir: join(folder, 'pglite') }, () => undefined)
  await engine.close()
  own.WebAssembly.instantiate = instantiate
  expect(given.includes('[object WebAssembly.Module]')).toBe(canBeCompiled())
  expect(given.some(code => code !== '[object WebAssembly.Module]')).toBe(!canBeCompiled())
})

test('what cannot be read is not taken', () => {
  for (const name of readdirSync(compiledDir)) mkdirSync(join(folder, name))
  expect(readCompiled(folder)).toBeUndefined()
})

test('where nothing was compiled there is nothing', () => {
  expect(readCompiled(folder)).toBeUndefined()
  expect(readCompiled(join(folder, 'missing'))).toBeUndefined()
})
