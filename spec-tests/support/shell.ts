/** Lines pasted into a shell. */
import { spawn, spawnSync } from 'node:child_process'
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'

/** As much of curl as our examples use, for a machine that has none. */
const littleCurl = `#!${process.execPath}
const args = process.argv.slice(2)
const request = { method: 'GET', headers: {} }
let url
while (args.length > 0) {
  const arg = args.shift()
  if (arg === '-X') request.method = args.shift()
  else if (arg === '-H') {
    const [name, value] = args.shift().split(/: (.*)/)
    request.headers[name] = value
  } else if (arg === '-d') {
    request.body = args.shift()
    if (request.method === 'GET') request.method = 'POST'
  } else if (arg === '-s') continue
  else url = arg
}
fetch(url, request).then(answer => answer.text()).then(text => process.stdout.write(text))
`

/**
 * Run the lines in one shell, in order.
 *
 * @returns all that they print to standard output
 * @throws if the shell fails
 */
export async function runInShell(lines: readonly string[]): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'hourglass-shell-'))
  try {
    if (spawnSync('curl', ['--version']).error) {
      await writeFile(join(folder, 'curl'), littleCurl)
      await chmod(join(folder, 'curl'), 0o755)
    }
    const env = { ...process.env, PATH: `${folder}${delimiter}${process.env.PATH}` }
    const shell = spawn('sh', ['-e'], { env, stdio: ['pipe', 'pipe', 'ignore'] })
    let stdout = ''
    shell.stdout.on('data', chunk => {
      stdout += chunk
    })
    shell.stdin.end(`${lines.join('\n')}\n`)
    const exitCode = await new Promise(resolve => shell.once('close', resolve))
    if (exitCode !== 0) throw new Error(`the shell ended with ${exitCode}: ${stdout}`)
    return stdout
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
