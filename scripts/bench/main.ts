/** `npm run bench`: every figure beside its ceiling, measured in the same run on the same machine. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { readEngine, readOptions, refuse } from '../options.ts'
import { Collections, measureGarbage } from './garbage.ts'
import { growthHeading, growthLineOf, growthRows } from './growth.ts'
import { labRows } from './lab-rows.ts'
import { largeRoomRows } from './large-room-rows.ts'
import { killAll } from './processes.ts'
import { heaviest } from './profile.ts'
import { compareRatios, measureRatios, recordRatios } from './ratios.ts'
import { readRows, wakeRow } from './read-rows.ts'
import { expressRow, restartRow, scheduleRow, sendRows } from './request-rows.ts'
import { type Engine, type Row, Stage } from './stage.ts'
import { startRows } from './start-row.ts'
import { heading, lineOf, machine, provenance, writeSection } from './table.ts'
import { idleFireRow, restedFireRow, stormRow } from './timer-rows.ts'

const usage = `
npm run bench -- [options]: every figure beside its ceiling, in the same run on the same machine

  --engine ENGINE   pglite unless given, or postgres: the one at DATABASE_URL, in schemas that are
                    dropped at the end
  --quick           a small table in less than a minute
  --only WORD       the rows whose name has that in it
  --growth          instead, how each cost grows with what is there
  --json FILE       where the table goes as JSON
  --write           puts the table into server/docs/performance.md
  --profile         says where the server's processor time went, and makes all figures worse
  --garbage         instead, how much of what requests make outlives them
  --record          instead, writes down ratios of processor time
  --check           instead, holds such ratios against those; exits with 1 if one has fallen by a third
`
const args = process.argv.slice(2)
const { values } = readOptions(usage, {
  args,
  options: {
    quick: { type: 'boolean', default: false },
    engine: { type: 'string', default: 'pglite' },
    only: { type: 'string', default: '' },
    growth: { type: 'boolean', default: false },
    json: { type: 'string' },
    write: { type: 'boolean', default: false },
    profile: { type: 'boolean', default: false },
    garbage: { type: 'boolean', default: false },
    record: { type: 'boolean', default: false },
    check: { type: 'boolean', default: false },
  },
})
const engine: Engine = readEngine(values.engine)
const { quick: isQuick } = values
const jsonFile =
  values.json ?? fileURLToPath(new URL(`../../bench-${engine}.json`, import.meta.url))

const storm = isQuick ? 500 : 10_000
const measurements: Record<string, (stage: Stage) => Promise<Row | Row[]>> = {
  start: startRows,
  ...(isQuick ? {} : { express: expressRow }),
  send: sendRows,
  schedule: scheduleRow,
  // One of them is enough for the small table, which is to be there in a minute.
  ...(isQuick
    ? { 'restart-20000': (stage: Stage) => restartRow(stage, 20_000) }
    : {
        'restart-1000': (stage: Stage) => restartRow(stage, 1_000),
        'restart-100000': (stage: Stage) => restartRow(stage, 100_000),
        'restart-1000000': (stage: Stage) => restartRow(stage, 1_000_000),
      }),
  idle: idleFireRow,
  ...(isQuick ? {} : { rested: restedFireRow }),
  'storm-1': stage => stormRow(stage, storm, 1),
  'storm-many': stage => stormRow(stage, storm, storm / 10),
  'wake-1': stage => wakeRow(stage, 1),
  'wake-many': stage => wakeRow(stage, isQuick ? 100 : 1_000),
  read: readRows,
  laboratory: labRows,
  ...(isQuick ? {} : { 'large-rooms': largeRoomRows }),
}

/** Measure, print each row as soon as it is there, and give the table. */
async function print<R>(
  head: readonly string[],
  all: Record<string, (stage: Stage) => Promise<R | R[]>>,
  asLine: (row: R) => string,
): Promise<{ rows: R[]; lines: string[] }> {
  const rows: R[] = []
  for (const line of head) console.log(line)
  for (const [name, measure] of Object.entries(all)) {
    if (!name.includes(values.only)) continue
    for (const row of [await measure(stage)].flat() as R[]) {
      rows.push(row)
      console.log(asLine(row))
    }
  }
  return { rows, lines: [...head, ...rows.map(asLine)] }
}

/** Their names are the words for `--only`. */
function refuseUnlessMeasured(): void {
  const names = Object.keys(values.growth ? growthRows : measurements)
  if (names.some(name => name.includes(values.only))) return
  refuse(`--only: no row has ${values.only} in its name; there are ${names.join(', ')}`)
}

async function table(): Promise<void> {
  const startedAt = performance.now()
  const { rows, lines } = values.growth
    ? await print(growthHeading, growthRows, growthLineOf)
    : await print(heading, measurements, lineOf)
  const database = await stage.database()
  const seconds = Math.round((performance.now() - startedAt) / 1_000)
  console.log(`\n${database}; ${machine}; in ${seconds} s`)
  const result = { engine, isQuick, machine, database, seconds, rows }
  await writeFile(jsonFile, `${JSON.stringify(result, null, 2)}\n`)
  console.log(`as JSON: ${jsonFile}`)
  if (!values.write) return
  const section = `${values.growth ? 'growth' : 'bench'}-${engine}`
  await writeSection(section, ['', ...lines, '', provenance(args, database), ''])
}

async function check(): Promise<void> {
  const { lines, hasFallen } = await compareRatios(stage)
  for (const line of lines) console.log(line)
  console.log(hasFallen ? 'a ratio has fallen by a third' : 'no ratio has fallen')
  if (hasFallen) process.exitCode = 1
}

async function garbage(): Promise<void> {
  const { lines, isTooMuch } = await measureGarbage(stage, collections)
  for (const line of lines) console.log(line)
  console.log(isTooMuch ? 'too much outlives its request' : 'requests leave nothing behind')
  if (isTooMuch) process.exitCode = 1
}

refuseUnlessMeasured()
const profileDir = values.profile ? await mkdtemp(join(tmpdir(), 'hourglass-profile-')) : undefined
const databaseUrl = process.env.DATABASE_URL
const collections = new Collections()
const running = (() => {
  if (values.garbage) return collections
  return profileDir === undefined
    ? undefined
    : { nodeFlags: ['--cpu-prof', `--cpu-prof-dir=${profileDir}`] }
})()
const stage = await Stage.set({ engine, isQuick, databaseUrl, running })
try {
  if (values.record) await recordRatios(engine, await measureRatios(stage))
  else if (values.check) await check()
  else if (values.garbage) await garbage()
  else await table()
} finally {
  // In peace: who is killed leaves no profile.
  await stage.strike().finally(killAll)
}
if (profileDir !== undefined) {
  console.log('\n| Share of the processor time | Where |\n|---|---|')
  for (const { name, share } of await heaviest(profileDir, 10)) {
    console.log(`| ${(share * 100).toFixed(1)} % | ${name} |`)
  }
  await rm(profileDir, { recursive: true })
}
