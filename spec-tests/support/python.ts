/** A script in Python, also on a machine that has none. */
import { spawn, spawnSync } from 'node:child_process'

/** Whether `python3` is there. */
export function hasPython(): boolean {
  return spawnSync('python3', ['--version']).error === undefined
}

/** @returns what it prints @throws if it fails */
export async function runPython(script: string): Promise<string> {
  const python = spawn('python3', ['-'], { stdio: ['pipe', 'pipe', 'pipe'] })
  let stdout = ''
  let stderr = ''
  python.stdout.on('data', chunk => {
    stdout += chunk
  })
  python.stderr.on('data', chunk => {
    stderr += chunk
  })
  python.stdin.end(script)
  const exitCode = await new Promise(resolve => python.once('close', resolve))
  if (exitCode !== 0) throw new Error(`python3 ended with ${exitCode}: ${stderr}`)
  return stdout
}

/**
 * As much of Python as our example uses: assignments of what is nearly JavaScript, `call`, `assert`
 * and `print`. The functions above them are the standard library's affair.
 *
 * @returns what it prints @throws if an assertion fails
 */
export async function runLittlePython(script: string): Promise<string> {
  const printed: string[] = []
  const base = /^base = "(.*)"$/m.exec(script)?.[1] ?? ''
  const call = async (method: string, path: string, body: object, token = '') => {
    const headers = { 'Content-Type': 'application/json', Authorization: `Bearer ${token}` }
    const answer = await fetch(base + path, { method, headers, body: JSON.stringify(body) })
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status}`)
    return answer.json()
  }
  const check = (left: unknown, right: unknown) => expect(left).toEqual(right)
  const print = (...values: unknown[]) => printed.push(values.join(' '))
  const lines = script.split('\n').filter(line => /^(\w+ = |call|assert |print)/.test(line))
  const javaScript = lines.map(line =>
    line
      .replace(/call\(([^()]*)\)/g, '(await call($1))')
      .replace(/^(\w+) = /, 'const $1 = ')
      .replace(/^assert (.*) == (.*)$/, 'check($1, $2)'),
  )
  const AsyncFunction = (async () => undefined).constructor as FunctionConstructor
  const run = new AsyncFunction('call', 'check', 'print', javaScript.join(';\n'))
  await run(call, check, print)
  return printed.join('\n')
}
