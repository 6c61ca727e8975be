/**
 * `npm run homerunner`: what Complement's Homerunner does, with homeservers in this process instead
 * of containers.
 *
 * Environment, all optional: HOMERUNNER_PORT (54321), HOMERUNNER_HOST (127.0.0.1),
 * HOMERUNNER_LIFETIME_MINS (30), HOMERUNNER_HS_PORTBINDING_IP (127.0.0.1), and DATABASE_URL for a
 * PostgreSQL server instead of the embedded database.
 */
import type { AddressInfo } from 'node:net'
import { systemClock } from '../../server/lib/clock.ts'
import { Homeserver, stopSharedDatabase } from '../../server/testing/index.ts'
import { Deployments, lifetimeMsOf } from './deployments.ts'
import { listen } from './listen.ts'

const { env } = process
if (env.HOMERUNNER_SNAPSHOT_BLUEPRINT) {
  throw new Error('HOMERUNNER_SNAPSHOT_BLUEPRINT: there are no images that could be kept')
}
const log = (line: string) => void process.stdout.write(`${line}\n`)
const deployments = new Deployments({
  clock: systemClock,
  lifetimeMs: lifetimeMsOf(env.HOMERUNNER_LIFETIME_MINS),
  place: {
    start: options => Homeserver.start(options),
    host: env.HOMERUNNER_HS_PORTBINDING_IP || '127.0.0.1',
    databaseUrl: env.DATABASE_URL,
  },
  log,
})
const server = await listen(
  deployments,
  env.HOMERUNNER_HOST || '127.0.0.1',
  Number(env.HOMERUNNER_PORT || 54321),
)
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
