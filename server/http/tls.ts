/**
 * The certificate to listen with on TLS: the one that was given, or one of our own making, which
 * is kept beside the data. Nobody trusts that one by itself; lk-jwt-service can be told not to ask.
 */
import { X509Certificate } from 'node:crypto'
import { chmod, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { isIP } from 'node:net'
import { join } from 'node:path'
import { type Config, ConfigError } from '../config.ts'
import type { Clock } from '../lib/clock.ts'

/** Both in PEM. */
export interface Certificate {
  cert: string
  key: string
}

const dayMs = 86_400_000
const lifetimeMs = 3_650 * dayMs

/** @throws ConfigError a file that cannot be read, or only one of the two */
export async function loadCertificate(config: Config, clock: Clock): Promise<Certificate> {
  const { certificate_file: certificateFile, key_file: keyFile } = config.tls
  if (certificateFile !== undefined && keyFile !== undefined) {
    return { cert: await readGiven(certificateFile), key: await readGiven(keyFile) }
  }
  if (certificateFile !== undefined || keyFile !== undefined) {
    throw new ConfigError('tls: certificate_file and key_file belong together')
  }
  const folder = join(config.data_dir, 'tls')
  return (await readOwn(folder, clock.now())) ?? (await makeOwn(folder, config, clock.now()))
}

async function readGiven(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    throw new ConfigError(`cannot read ${file}: ${(error as NodeJS.ErrnoException).code}`)
  }
}

/** Undefined: there is none yet, or it ends within a day. */
async function readOwn(folder: string, now: number): Promise<Certificate | undefined> {
  try {
    const cert = await readFile(join(folder, 'certificate.pem'), 'utf8')
    const key = await readFile(join(folder, 'key.pem'), 'utf8')
    const endsAt = Date.parse(new X509Certificate(cert).validTo)
    return endsAt > now + dayMs ? { cert, key } : undefined
  } catch {
    return undefined
  }
}

/** Both files appear at once, so that a crash leaves no certificate without its key. */
async function makeOwn(folder: string, config: Config, now: number): Promise<Certificate> {
  // Only now: it takes a moment to load, and is needed once in ten years.
  const { generate } = await import('selfsigned')
  const hostname = config.server_name.replace(/:\d+$/, '').replace(/^\[|\]$/g, '')
  const names = [...new Set([hostname, 'localhost', '127.0.0.1', '::1'])]
  const made = await generate([{ name: 'commonName', value: hostname.slice(0, 64) }], {
    keyType: 'ec',
    curve: 'P-256',
    algorithm: 'sha256',
    notBeforeDate: new Date(now - dayMs),
    notAfterDate: new Date(now + lifetimeMs),
    extensions: [
      { name: 'basicConstraints', cA: false, critical: true },
      { name: 'keyUsage', digitalSignature: true, critical: true },
      { name: 'extKeyUsage', serverAuth: true },
      {
        name: 'subjectAltName',
        altNames: names.map(name =>
          isIP(name) ? { type: 7, ip: name } : { type: 2, value: name },
        ),
      },
    ],
  })
  const unfinished = `${folder}.unfinished`
  await rm(unfinished, { recursive: true, force: true })
  await mkdir(unfinished, { recursive: true })
  await chmod(unfinished, 0o700)
  await writeFile(join(unfinished, 'certificate.pem'), made.cert)
  await writeFile(join(unfinished, 'key.pem'), made.private, { mode: 0o600 })
  await rm(folder, { recursive: true, force: true })
  await rename(unfinished, folder)
  return { cert: made.cert, key: made.private }
}
