/**
 * Who can read our data directory may administer us: in it lies a token, a new one at every start,
 * and where we listen. `hourglass admin` finds it there.
 */
import { timingSafeEqual } from 'node:crypto'
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Config } from '../config.ts'
import { hashSecret, randomToken } from '../lib/random.ts'
import type { Requester } from '../requester.ts'
import type { Context } from './context.ts'
import { noticesUserId } from './users.ts'

/** What `hourglass admin` reads. */
export interface OperatorFile {
  url: string
  token: string
  server_name: string
}

export const operatorFileIn = (dataDir: string): string => join(dataDir, 'admin.json')

export class Operator {
  readonly #token = `hgo_${randomToken(32)}`

  isToken(given: string): boolean {
    return timingSafeEqual(Buffer.from(hashSecret(given)), Buffer.from(hashSecret(this.#token)))
  }

  /** Leave the token where it can be found, by our own user alone. */
  async announce({ data_dir: dataDir, server_name }: Config, url: string): Promise<void> {
    const file = operatorFileIn(dataDir)
    await mkdir(dirname(file), { recursive: true })
    await rm(file, { force: true })
    const content: OperatorFile = { url, token: this.#token, server_name }
    await writeFile(file, `${JSON.stringify(content)}\n`, { mode: 0o600 })
  }

  /** Take it away, if it is still ours: another server may use the same directory. */
  async withdraw(dataDir: string): Promise<void> {
    const file = operatorFileIn(dataDir)
    const content = await readFile(file, 'utf8').catch(() => '')
    if (content.includes(this.#token)) await rm(file, { force: true })
  }
}

/** They act as the server itself. */
export function operatorAsRequester(ctx: Context): Requester {
  return {
    userId: noticesUserId(ctx.config),
    deviceId: '',
    isGuest: false,
    isAdmin: true,
    isRateLimited: false,
  }
}
