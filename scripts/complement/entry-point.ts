/**
 * What the Complement image starts, and what runs as well without Docker: it writes the options that
 * Complement expects into the data directory, certifies the server by Complement's authority, and
 * becomes the server. Started again on the same data, it does the same again.
 *
 * Environment, with Complement's values as defaults:
 * - SERVER_NAME, required: hs1, hs2 …
 * - HOURGLASS_DATA_DIR (/data), HOURGLASS_HOST (0.0.0.0)
 * - HOURGLASS_PORT (8008), HOURGLASS_TLS_PORT (8448)
 * - HOURGLASS_COMPLEMENT_DIR (/complement): ca/ca.crt and ca/ca.key, appservice/*.yaml
 * - HOURGLASS_RESTART_DELAY_MS (0): how long a start on data that is there already waits
 */
import { existsSync } from 'node:fs'
import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { stringify } from 'yaml'
import { certify } from './certificate.ts'

async function main(env: NodeJS.ProcessEnv): Promise<void> {
  endOnSignalUntilServing()
  const serverName = env.SERVER_NAME
  if (!serverName) throw new Error('SERVER_NAME is not set')
  const dataDir = env.HOURGLASS_DATA_DIR ?? '/data'
  const complementDir = env.HOURGLASS_COMPLEMENT_DIR ?? '/complement'
  const file = join(dataDir, 'complement.yaml')
  // TestDelayedEvents restarts the server and then wants two of five events to have been sent, the
  // second of which is due 9.9 s after the first call: who is back within a second fails it.
  if (existsSync(file)) await sleep(Number(env.HOURGLASS_RESTART_DELAY_MS ?? 0))
  await mkdir(dataDir, { recursive: true })
  const certificate = await certify(
    serverName,
    join(complementDir, 'ca'),
    join(dataDir, 'complement'),
  )
  const options = {
    profile: 'test',
    server_name: serverName,
    host: env.HOURGLASS_HOST ?? '0.0.0.0',
    port: Number(env.HOURGLASS_PORT ?? 8008),
    tls: {
      port: Number(env.HOURGLASS_TLS_PORT ?? 8448),
      certificate_file: certificate.certificateFile,
      key_file: certificate.keyFile,
    },
    data_dir: dataDir,
    app_service_config_files: await registrationsIn(join(complementDir, 'appservice')),
    log_level: 'info',
  }
  await writeFile(file, stringify(options))
  // From here on this process is the server: it hears SIGTERM itself.
  process.argv.splice(2, process.argv.length, '--config', file)
  await import('../../server/main.ts')
}

/**
 * Nothing ends the first process of a container but a signal that it listens for, or SIGKILL when
 * Docker's patience is at its end.
 */
function endOnSignalUntilServing(): void {
  process.on('SIGTERM', () => {
    if (process.listenerCount('SIGTERM') === 1) process.exit(0)
  })
}

/** Complement makes the folder only where there are some. */
async function registrationsIn(folder: string): Promise<string[]> {
  if (!existsSync(folder)) return []
  const names = await readdir(folder)
  return names
    .filter(name => name.endsWith('.yaml'))
    .sort()
    .map(name => join(folder, name))
}

main(process.env).catch(error => {
  process.stderr.write(`complement: ${error.message}\n`)
  process.exit(1)
})
