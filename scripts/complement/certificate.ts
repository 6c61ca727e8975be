/** A certificate that whoever trusts the given authority takes for this server's. */
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { isIP } from 'node:net'
import { join } from 'node:path'

const dayMs = 86_400_000

export interface CertificateFiles {
  certificateFile: string
  keyFile: string
}

/**
 * Make one for a server name, signed by `ca.crt` and `ca.key` of a folder, and write it to another.
 *
 * @param authorityFolder Complement puts these files there before it starts the container. The key
 *   is RSA, as PKCS #1 or PKCS #8
 * @throws ENOENT there is no authority
 */
export async function certify(
  serverName: string,
  authorityFolder: string,
  folder: string,
): Promise<CertificateFiles> {
  const ca = {
    cert: await readFile(join(authorityFolder, 'ca.crt'), 'utf8'),
    key: await readFile(join(authorityFolder, 'ca.key'), 'utf8'),
  }
  const { generate } = await import('selfsigned')
  const hostname = serverName.replace(/:\d+$/, '').replace(/^\[|\]$/g, '')
  const now = Date.now()
  const made = await generate([{ name: 'commonName', value: hostname.slice(0, 64) }], {
    // An authority of RSA signs with RSA, and selfsigned takes one type for both keys.
    keyType: 'rsa',
    keySize: 2048,
    algorithm: 'sha256',
    notBeforeDate: new Date(now - dayMs),
    notAfterDate: new Date(now + 30 * dayMs),
    ca,
    extensions: [
      { name: 'basicConstraints', cA: false, critical: true },
      { name: 'keyUsage', digitalSignature: true, keyEncipherment: true, critical: true },
      { name: 'extKeyUsage', serverAuth: true },
      {
        name: 'subjectAltName',
        altNames: [isIP(hostname) ? { type: 7, ip: hostname } : { type: 2, value: hostname }],
      },
    ],
  })
  await mkdir(folder, { recursive: true })
  const files = {
    certificateFile: join(folder, 'complement.crt'),
    keyFile: join(folder, 'complement.key'),
  }
  await writeFile(files.certificateFile, made.cert)
  await writeFile(files.keyFile, made.private, { mode: 0o600 })
  return files
}
