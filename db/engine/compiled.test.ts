import { existsSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { cachedDataVersionTag } from 'node:v8'
import { compiledDir } from '../built.ts'
import { canBeCompiled, readCompiled } from './compiled.ts'

let folder: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'hourglass-compiled-'))
})

afterEach(() => rmSync(folder, { recursive: true }))

/** What was built, under another name. */
function keepAs(rename: (name: string) => string): void {
  for (const name of existsSync(compiledDir) ? readdirSync(compiledDir) : []) {
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

test('where nothing was compiled there is nothing', () => {
  expect(readCompiled(folder)).toBeUndefined()
  expect(readCompiled(join(folder, 'missing'))).toBeUndefined()
})
