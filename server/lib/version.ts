/** Which release this is, as package.json says. */
import { existsSync, readFileSync } from 'node:fs'

// package.json lies two folders up from here, and three up from what the build makes of this file.
const candidates = ['../../package.json', '../../../package.json']

function readVersion(): string {
  for (const candidate of candidates) {
    const file = new URL(candidate, import.meta.url)
    if (!existsSync(file)) continue
    const { version } = JSON.parse(readFileSync(file, 'utf8')) as { version: string }
    return version
  }
  throw new Error('package.json is not where it should be')
}

export const version: string = readVersion()
