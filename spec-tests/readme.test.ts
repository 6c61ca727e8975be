/** The README keeps its word: its requests run, its links lead somewhere, its options are real. */
import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { killPrograms, makeStorage, runProgram, startProgram } from './support/program.ts'
import { runInShell } from './support/shell.ts'

const root = fileURLToPath(new URL('../', import.meta.url))
const readme = readFileSync(`${root}README.md`, 'utf8')
const shellBlocks = [...readme.matchAll(/```sh\n([\s\S]*?)```/g)].map(match => match[1] ?? '')

afterAll(killPrograms)

test('the requests show a delayed event being sent', async () => {
  const storage = await makeStorage()
  try {
    const program = startProgram(['--port', '0', ...storage.flags])
    const baseUrl = await program.listening
    const requests = shellBlocks.filter(block => block.includes('curl'))
    expect(requests).toHaveLength(2)
    const lines = requests.join('').replaceAll('http://localhost:8008', baseUrl).split('\n')
    const printed = await runInShell(lines)
    expect(printed).toMatch(/"delay_id":"[^"]+"/)
    expect(printed).toContain('The sand has run out')
    program.kill('SIGTERM')
    await program.ended
  } finally {
    await storage.remove()
  }
})

test('the commands that it names are scripts of the package', () => {
  const { scripts } = JSON.parse(readFileSync(`${root}package.json`, 'utf8'))
  const named = [...readme.matchAll(/npm (?:run )?([a-z-]+)/g)].map(match => match[1])
  for (const name of new Set(named)) {
    if (name !== 'ci' && name !== 'run') expect(scripts).toHaveProperty([name ?? ''])
  }
})

test('the flags that it lists are those of --help', async () => {
  const { stdout } = await runProgram(['--help'])
  const flagsIn = (text: string) => [...new Set(text.match(/--[a-z-]{3,}(?= |`|,|$)/gm))].sort()
  const table = readme.slice(readme.indexOf('## Options'), readme.indexOf('A flag counts more'))
  expect(flagsIn(table)).toEqual(flagsIn(stdout))
})

test.each([
  'README.md',
  'db/README.md',
  'server/docs/architecture.md',
  'server/docs/changelog.md',
  'server/docs/laboratory.md',
  'server/docs/scenarios.md',
  'server/docs/faults.md',
])('the links of %s lead somewhere', file => {
  const text = readFileSync(`${root}${file}`, 'utf8')
  const folder = file.slice(0, file.lastIndexOf('/') + 1)
  const targets = [...text.matchAll(/\]\((?!https?:)([^)#]+)\)/g)].map(match => match[1] ?? '')
  expect(targets.filter(target => !existsSync(`${root}${folder}${target}`))).toEqual([])
})

test('the files that the architecture page names are there', () => {
  const text = readFileSync(`${root}server/docs/architecture.md`, 'utf8')
  const named = [...text.matchAll(/`((?:[a-z-]+\/)+[a-z0-9-]+\.(?:ts|cjs))`/g)].map(m => m[1] ?? '')
  expect(named.length).toBeGreaterThan(10)
  const isThere = (file: string) =>
    [root, `${root}server/`].some(folder => existsSync(`${folder}${file}`))
  expect(named.filter(file => !isThere(file))).toEqual([])
})
