/** Who this server is: its name and its signing key, made at the first start and kept for good. */
import { randomBytes } from 'node:crypto'
import { insertServer, selectServer } from '../../db/server.ts'
import { type Pool, transaction } from '../../db/transaction.ts'
import { ConfigError } from '../config.ts'
import { randomLetters } from '../lib/random.ts'
import {
  formatSigningKey,
  makeSigningKey,
  parseSigningKey,
  type SigningKey,
} from '../matrix/signing.ts'

/** @throws ConfigError if the data belongs to a server of another name: its ids would be foreign */
export async function loadIdentity(db: Pool, serverName: string): Promise<SigningKey> {
  const known = await selectServer(db)
  if (known) {
    if (known.server_name !== serverName) {
      throw new ConfigError(
        `the data belongs to the server name ${known.server_name}, not ${serverName}`,
      )
    }
    return parseSigningKey(known.signing_key)
  }
  const signingKey = makeSigningKey(randomBytes(32), `a_${randomLetters(4)}`)
  await transaction(db, tx =>
    insertServer(tx, {
      id: 1,
      server_name: serverName,
      signing_key: formatSigningKey(signingKey),
    }),
  )
  return signingKey
}
