/** An authority such as Complement makes one for each of its runs. */
import { createPrivateKey } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { generate } from 'selfsigned'

/**
 * Write `ca.crt` and `ca.key` into a folder.
 *
 * @returns the certificate, PEM
 */
export async function makeAuthority(folder: string): Promise<string> {
  // As Complement makes it: the names with several words, and the key in PKCS #1.
  const names = { C: 'GB', ST: 'London', L: 'London', O: 'matrix.org', CN: 'Complement Test CA' }
  const made = await generate(
    Object.entries(names).map(([shortName, value]) => ({ shortName, value })),
    {
      algorithm: 'sha256',
      extensions: [
        { name: 'basicConstraints', cA: true, critical: true },
        { name: 'keyUsage', keyCertSign: true, digitalSignature: true, cRLSign: true },
      ],
    },
  )
  const key = createPrivateKey(made.private).export({ type: 'pkcs1', format: 'pem' })
  await mkdir(folder, { recursive: true })
  await writeFile(join(folder, 'ca.crt'), made.cert)
  await writeFile(join(folder, 'ca.key'), key)
  return made.cert
}
