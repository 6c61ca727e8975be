/**
 * `npm run homerunner`: what Complement's Homerunner does, with homeservers in this process instead
 * of containers.
 */
import { type AddressInfo, isIP } from 'node:net'
import { systemClock } from '../../server/lib/clock.ts'
import { Homeserver, stopSharedDatabase } from '../../server/testing/ours.ts'
import { readOptions } from '../options.ts'
import { Deployments, lifetimeMsOf } from './deployments.ts'
import { listen } from './listen.ts'

const usage = `
npm run homerunner: homeservers in this process, as Complement's Homerunner has them in containers

Environment, all optional:
  HOMERUNNER_PORT                54321
  HOMERUNNER_HOST                127.0.0.1
  HOMERUNNER_LIFETIME_MINS       30
  HOMERUNNER_HS_PORTBINDING_IP   127.0.0.1
  DATABASE_URL                   a PostgreSQL server instead of the embedded database
`
readOptions(usage, {})
const { env } = process
const log = (line: string) => void process.stdout.write(`${line}\n`)

const { deployments, server } = await (async () => {
  if (env.HOMERUNNER_SNAPSHOT_BLUEPRINT) {
    throw new Error('HOMERUNNER_SNAPSHOT_BLUEPRINT: there are no images that could be kept')
  }
  const host = env.HOMERUNNER_HS_PORTBINDING_IP || '127.0.0.1'
  if (!isIP(host)) throw new Error(`HOMERUNNER_HS_PORTBINDING_IP: ${host} is no address`)
  const deployments = new Deployments({
    clock: systemClock,
    lifetimeMs: lifetimeMsOf(env.HOMERUNNER_LIFETIME_MINS),
    place: { start: options => Homeserver.start(options), host, databaseUrl: env.DATABASE_URL },
    log,
  })
  const port = Number(env.HOMERUNNER_PORT || 54321)
  return {
    deployments,
    server: await listen(deployments, env.HOMERUNNER_HOST || '127.0.0.1', port),
  }
})().catch(error => {
  process.stderr.write(`${error.message}\n`)
  process.exit(1)
})
const { address, port } = server.address() as AddressInfo
log(`Homerunner is listening on http://${address}:${port}`)

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, async () => {
    server.close()
    await deployments.destroyAll()
    await stopSharedDatabase()
    process.exit(0)
  })
}
