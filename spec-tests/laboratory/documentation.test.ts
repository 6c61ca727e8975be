/** server/docs/laboratory.md and the README keep their word: what they show runs. */
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { killPrograms, makeStorage, type Program, startProgram } from '../support/program.ts'
import { hasPython, runLittlePython, runPython } from '../support/python.ts'
import { runInShell } from '../support/shell.ts'

const root = fileURLToPath(new URL('../../', import.meta.url))
const read = (file: string) => readFileSync(`${root}${file}`, 'utf8')
const laboratory = read('server/docs/laboratory.md')

/** The blocks in a language, in order. */
function blocks(text: string, language: string): string[] {
  const found = text.matchAll(new RegExp(`\`\`\`${language}\n([\\s\\S]*?)\`\`\``, 'g'))
  return [...found].map(match => match[1] ?? '')
}

test.each(['README.md', 'server/docs/laboratory.md'])(
  'the test that %s shows is one of ours',
  file => {
    expect(blocks(read(file), 'ts')).toContain(read('spec-tests/laboratory/example.test.ts'))
  },
)

describe('against a server with --lab', () => {
  let storage: Awaited<ReturnType<typeof makeStorage>>
  let program: Program
  let baseUrl: string
  beforeAll(async () => {
    storage = await makeStorage()
    program = startProgram(['--lab', '--port', '0', ...storage.flags])
    baseUrl = await program.listening
  })
  afterAll(async () => {
    program.kill('SIGTERM')
    await program.ended
    killPrograms()
    await storage.remove()
  })
  const here = (text: string) => text.replaceAll('http://localhost:8008', baseUrl)

  test('the requests for a shell move time by a day, and put everything back', async () => {
    const [started, requests] = blocks(laboratory, 'sh')
    expect(started).toBe('npm start -- --lab\n')
    const printed = await runInShell(here(requests ?? '').split('\n'))
    const [frozen, scheduled, moved, restored] = printed
      .split(/(?<=})(?={)/)
      .map(answer => JSON.parse(answer))
    expect(moved).toMatchObject({
      now: frozen.now + 86_400_000,
      fired: [{ delay_id: scheduled.delay_id, outcome: 'sent' }],
    })
    expect(restored).toEqual({ now: frozen.now, speed: 0 })
  })

  test('the script in Python waits for a day', async () => {
    const [script = ''] = blocks(laboratory, 'python')
    if (hasPython()) expect(await runPython(here(script))).toMatch(/^sent \$\S+\n$/)
    // Where there is none, this shows that the requests are right; the rest needs a Python.
    expect(await runLittlePython(here(script))).toMatch(/^sent \$\S+$/)
  })
})
