/** From rows to Markdown, on the screen and in `server/docs/performance.md`. */
import { execFileSync } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { cpus } from 'node:os'
import { fileURLToPath } from 'node:url'
import type { Row } from './stage.ts'

const page = fileURLToPath(new URL('../../../server/docs/performance.md', import.meta.url))

export const machine = `${cpus().length} × ${cpus()[0]?.model.trim()}, Node ${process.version}`

export const heading = [
  '| Measured | Here | Ceiling | Ratio | Goal | Met | Latency |',
  '|---|---|---|---|---|---|---|',
]

export function lineOf(row: Row): string {
  const ratio = row.ratio === undefined ? '' : row.ratio.toFixed(2)
  const isMet = row.isMet === undefined ? '' : row.isMet ? 'yes' : 'no'
  const cells = [row.what, row.value, row.ceiling, ratio, row.goal, isMet]
  return `| ${[...cells, row.latency ?? ''].join(' | ')} |`
}

/** What was measured, with which command, of which commit, and where. */
export function provenance(args: readonly string[], database: string): string {
  const git = (...command: string[]) =>
    execFileSync('git', command, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim()
  let commit = 'unknown'
  try {
    const isChanged = git('status', '--porcelain', '--untracked-files=no') !== ''
    commit = `${git('rev-parse', '--short', 'HEAD')}${isChanged ? ', with changes' : ''}`
  } catch {
    // A tree without git has no commit to name.
  }
  const command = ['npm run bench --', ...args].join(' ')
  return `\`${command}\`, ${database}, commit ${commit}; ${machine}.`
}

/** Put these lines in the place of what stands between the marks of `section`. */
export async function writeSection(section: string, lines: readonly string[]): Promise<void> {
  const text = await readFile(page, 'utf8')
  const [start, end] = [`<!-- ${section} -->`, `<!-- /${section} -->`]
  const [from, to] = [text.indexOf(start), text.indexOf(end)]
  if (from === -1 || to === -1) throw new Error(`performance.md has no section ${section}`)
  const before = text.slice(0, from + start.length)
  await writeFile(page, `${before}\n${lines.join('\n')}\n${text.slice(to)}`)
}
