/** The laboratory in one process: how soon a test has its server, and what many of them cost. */
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { LabMeasured } from './lab-process.ts'
import { millis, type Row, type Stage } from './stage.ts'
import { quantile } from './timer-rows.ts'

const noCeiling = '(nothing else starts in a process)'

export async function labRows(stage: Stage): Promise<Row[]> {
  const { firstMs, furtherMs, againMs, forkMs, residentMb } = await measure(stage)
  const secondToFourth = furtherMs.slice(0, 3)
  const mostMb = serversOf(stage) * 30
  const row = (what: string, times: readonly number[], mostMs: number): Row => ({
    what,
    value: millis(quantile(times, 0.5)),
    ceiling: noCeiling,
    goal: `≤ ${mostMs} ms`,
    isMet: quantile(times, 0.5) <= mostMs,
    latency: `p50 ${millis(quantile(times, 0.5))}, p99 ${millis(quantile(times, 0.99))}`,
  })
  return [
    row('laboratory: first server of a process, with loading it', [firstMs], 1_000),
    {
      ...row('laboratory: the second to the fourth of a process', secondToFourth, 100),
      value: secondToFourth.map(millis).join(', '),
      isMet: Math.max(...secondToFourth) <= 100,
    },
    row('laboratory: another, with tables of its own', furtherMs.slice(3), 100),
    row('laboratory: another, after one was stopped', againMs, 100),
    row('laboratory: a fork, after one was stopped', forkMs, 100),
    {
      what: `laboratory: memory of ${serversOf(stage)} servers in one process`,
      value: `${residentMb.toFixed(0)} MB`,
      ceiling: noCeiling,
      goal: `≤ ${mostMb.toLocaleString('en')} MB`,
      isMet: residentMb <= mostMb,
    },
  ]
}

const serversOf = (stage: Stage) => (stage.isQuick ? 20 : 50)

async function measure(stage: Stage): Promise<LabMeasured> {
  const script = fileURLToPath(new URL('lab-process.js', import.meta.url))
  const { DATABASE_URL: url, ...env } = process.env
  const args = [script, String(serversOf(stage)), stage.isQuick ? '4' : '20']
  if (stage.engine === 'postgres' && url !== undefined) args.push(url)
  const child = spawn(process.execPath, args, { env, stdio: ['ignore', 'pipe', 'inherit'] })
  let printed = ''
  child.stdout.on('data', chunk => {
    printed += chunk
  })
  const exitCode = await new Promise(resolve => child.once('close', resolve))
  if (exitCode !== 0) throw new Error(`the laboratory ended with ${exitCode}`)
  return JSON.parse(printed) as LabMeasured
}
