/** Start to the first 200 on a warm data directory, and memory at rest. */
import { MatrixClient } from './matrix-client.ts'
import { residentMb, startCeiling } from './processes.ts'
import { millis, type Row, type Stage } from './stage.ts'
import { quantile } from './timer-rows.ts'

export async function startRows(stage: Stage): Promise<Row[]> {
  const place = await stage.place()
  await (await place.start()).stop()
  const rounds = stage.isQuick ? 3 : 7
  const starts: number[] = []
  const ceilings: number[] = []
  let resident = 0
  let residentCeiling = 0
  for (let i = 0; i < rounds; i++) {
    const startedAt = performance.now()
    const server = await place.start()
    const matrix = await MatrixClient.to(server.baseUrl, 1)
    await matrix.request('GET', '/versions')
    starts.push(performance.now() - startedAt)
    matrix.close()
    resident = (await residentMb(server.pid)) ?? 0
    await server.stop()
    const ceiling = await startCeiling()
    ceilings.push(ceiling.startMs)
    residentCeiling = (await residentMb(ceiling.pid)) ?? 0
    await ceiling.stop()
  }
  const most = stage.engine === 'postgres' ? 120 : 400
  const p50 = quantile(starts, 0.5)
  return [
    {
      what: 'start to the first 200, warm',
      value: millis(p50),
      ceiling: `${millis(quantile(ceilings, 0.5))} (node and express)`,
      ratio: quantile(ceilings, 0.5) / p50,
      goal: '≤ 1 s',
      isMet: p50 <= 1_000,
    },
    {
      what: 'resident memory at rest',
      value: `${resident.toFixed(0)} MB`,
      ceiling: `${residentCeiling.toFixed(0)} MB (node and express)`,
      ratio: residentCeiling / resident,
      goal: `≤ ${most} MB`,
      isMet: resident > 0 && resident <= most,
    },
  ]
}
