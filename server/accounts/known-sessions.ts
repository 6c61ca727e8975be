/**
 * The sessions that requests come from, by the hash of their access token. They are remembered as long
 * as nobody writes to what they are read from: no request of a session that has ended gets through.
 */

import type { SessionWithUser } from '../../db/sessions.ts'
import type { TableWrites } from '../../db/table-writes.ts'
import { RecentMap } from '../lib/recent-map.ts'
import { type Going, Together } from '../lib/together.ts'

/** More are not remembered; the one that was read longest ago is forgotten first. */
const mostSessions = 10_000

export class KnownSessions {
  readonly #writes: TableWrites
  readonly #reads: Together<string, SessionWithUser | undefined>
  readonly #known = new RecentMap<string, SessionWithUser>(mostSessions)
  /** Under which everything known was read. */
  #version: number | undefined

  /** @param read gives the sessions of these, in their order */
  constructor(
    writes: TableWrites,
    read: (accessTokenHashes: readonly string[]) => Promise<(SessionWithUser | undefined)[]>,
    going: Going<string>,
  ) {
    this.#writes = writes
    this.#reads = new Together(read, going)
  }

  /** Undefined: there is none (any more). */
  async find(accessTokenHash: string): Promise<SessionWithUser | undefined> {
    const version = this.#writes.version()
    if (this.#version !== version) this.#known.clear()
    this.#version = version
    const known = this.#known.get(accessTokenHash)
    if (known) return known
    const session = await this.#reads.do(accessTokenHash)
    const isStillSo = version !== undefined && this.#writes.version() === version
    if (session && isStillSo && this.#version === version) {
      this.#known.set(accessTokenHash, session)
    }
    return session
  }
}
