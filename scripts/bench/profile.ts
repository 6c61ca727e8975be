/** The heaviest places of processor profiles, as `node --cpu-prof` writes them. */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'

interface Profile {
  nodes: { id: number; callFrame: { functionName: string; url: string; lineNumber: number } }[]
  samples: number[]
  timeDeltas: number[]
}

/** Neither ours nor anybody's: the processor had nothing to do. */
const idle = '(idle)'

export interface Place {
  name: string
  /** Of all the time in which the processor was busy; 0 to 1. */
  share: number
}

/** The `count` heaviest places of all profiles in a folder, by their own time. */
export async function heaviest(folder: string, count: number): Promise<Place[]> {
  const byPlace = new Map<string, number>()
  for (const file of await readdir(folder)) {
    if (!file.endsWith('.cpuprofile')) continue
    const profile = JSON.parse(await readFile(join(folder, file), 'utf8')) as Profile
    const names = new Map(profile.nodes.map(({ id, callFrame }) => [id, nameOf(callFrame)]))
    profile.samples.forEach((id, i) => {
      const name = names.get(id) ?? ''
      byPlace.set(name, (byPlace.get(name) ?? 0) + (profile.timeDeltas[i] ?? 0))
    })
  }
  byPlace.delete(idle)
  const total = [...byPlace.values()].reduce((sum, time) => sum + time, 0)
  return [...byPlace]
    .sort(([, a], [, b]) => b - a)
    .slice(0, count)
    .map(([name, time]) => ({ name, share: time / total }))
}

/** `function file:line`, from the root of the repository. PostgreSQL in PGlite, and starting, are one place. */
function nameOf({ functionName, url, lineNumber }: Profile['nodes'][number]['callFrame']): string {
  if (url.startsWith('wasm:')) return 'PostgreSQL (WebAssembly)'
  if (/^node:internal\/(modules|bootstrap)\//.test(url)) return 'loading modules, at the start'
  if (functionName.startsWith('(')) return functionName
  const file = url.replace(/^.*\/(node_modules|dist)\//, '')
  return `${functionName || '(anonymous)'} ${file}:${lineNumber + 1}`
}
