/**
 * `npm run bench`: every figure beside its ceiling, measured in the same run on the same machine.
 *
 *   npm run bench -- [--quick] [--engine pglite|postgres] [--only WORD] [--json FILE]
 *
 * PostgreSQL is the one at DATABASE_URL, in schemas that are dropped at the end.
 */
import { writeFile } from 'node:fs/promises'
import { cpus } from 'node:os'
import { parseArgs } from 'node:util'
import { largeRoomRows } from './large-room-rows.ts'
import { killAll } from './processes.ts'
import { readRows, wakeRow } from './read-rows.ts'
import { restartRow, scheduleRow, sendRows } from './request-rows.ts'
import { type Engine, type Row, Stage } from './stage.ts'
import { startRows } from './start-row.ts'
import { idleFireRow, restedFireRow, stormRow } from './timer-rows.ts'

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    engine: { type: 'string', default: 'pglite' },
    only: { type: 'string', default: '' },
    json: { type: 'string' },
  },
})
if (values.engine !== 'pglite' && values.engine !== 'postgres') {
  throw new Error('--engine is pglite or postgres')
}
const engine: Engine = values.engine
const { quick: isQuick } = values

const storm = isQuick ? 1_000 : 10_000
const measurements: Record<string, (stage: Stage) => Promise<Row | Row[]>> = {
  start: startRows,
  send: sendRows,
  schedule: scheduleRow,
  'restart-1000': stage => restartRow(stage, 1_000),
  'restart-100000': stage => restartRow(stage, 100_000),
  ...(isQuick ? {} : { 'restart-1000000': stage => restartRow(stage, 1_000_000) }),
  idle: idleFireRow,
  rested: restedFireRow,
  'storm-1': stage => stormRow(stage, storm, 1),
  'storm-many': stage => stormRow(stage, storm, storm / 10),
  'wake-1': stage => wakeRow(stage, 1),
  'wake-many': stage => wakeRow(stage, isQuick ? 200 : 1_000),
  read: readRows,
  'large-rooms': largeRoomRows,
}

const stage = await Stage.set(engine, isQuick, process.env.DATABASE_URL)
const rows: Row[] = []
try {
  console.log('| Measured | Here | Ceiling | Ratio | Goal | Met | Latency |')
  console.log('|---|---|---|---|---|---|---|')
  for (const [name, measure] of Object.entries(measurements)) {
    if (!name.includes(values.only)) continue
    for (const row of [await measure(stage)].flat()) {
      rows.push(row)
      const ratio = row.ratio === undefined ? '' : row.ratio.toFixed(2)
      const cells = [row.what, row.value, row.ceiling, ratio, row.goal, row.isMet ? 'yes' : 'no']
      console.log(`| ${[...cells, row.latency ?? ''].join(' | ')} |`)
    }
  }
  const machine = `${cpus().length} × ${cpus()[0]?.model.trim()}, Node ${process.version}`
  console.log(`\n${engine}; ${machine}`)
  if (values.json !== undefined) {
    await writeFile(values.json, `${JSON.stringify({ engine, isQuick, machine, rows }, null, 2)}\n`)
  }
} finally {
  killAll()
  await stage.strike()
}
