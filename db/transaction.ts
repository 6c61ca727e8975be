/**
 * Reading and writing. `Db` may be the pool or an open transaction; `Tx` is proof of an open
 * transaction, and only this file makes one, so a function that asks for it cannot run outside.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import { type Kysely, sql } from 'kysely'
import type { Schema } from './schema.ts'

/** Read access: the pool or an open transaction. */
export interface Db {
  readonly q: Kysely<Schema>
}

/** The pool, which alone can begin a transaction. */
export interface Pool extends Db {
  /** Give up: nobody knows any more what the database holds. */
  lose(reason: Error): void
  /** The laboratory's, if it holds the server: runs as the last thing before every COMMIT. */
  beforeCommit?: (tx: Tx) => Promise<void>
}

declare const inTransaction: unique symbol

/** Read and write access inside an open transaction. */
export interface Tx extends Db {
  readonly [inTransaction]: true
  /** Whether it may rest on what is remembered, as `presume.ts` says. */
  readonly mayPresume: boolean
  /** Run after a commit, not after a rollback. For waking only; it must not fail. */
  afterCommit(run: () => void): void
  /** Run when the transaction has ended, told whether it committed. Not run if nobody knows. */
  onEnd(run: (committed: boolean) => void): void
}

/** Which asynchronous work is inside a transaction; the pool refuses connections to it. */
const scope = new AsyncLocalStorage<{ open: boolean }>()
let isWatched = true

/**
 * Do not follow any more which work is inside a transaction, in all of this process: until Node 24
 * that is paid with every promise. Every test is watched, but those of the finished program.
 */
export function trustTransactions(): void {
  isWatched = false
}

/** Pools that were given up. */
const givenUp = new WeakSet<Pool>()

/**
 * Begin, run `fn`, commit; roll back if it throws. Nothing but this file begins one.
 *
 * Never catch a database error and carry on with the same `tx`: PostgreSQL has aborted it. Catch
 * outside, and open a new one.
 *
 * A connection that breaks while COMMIT is under way says neither yes nor no, and the server may
 * still be about to say yes. Both guesses would be lies: the positions taken here stay in flight,
 * so that nobody reads past them, and the pool is given up. The next start finds the truth; until
 * then nothing is begun here any more, or who tries again might do for the second time what was done.
 */
export function transaction<T>(pool: Pool, fn: (tx: Tx) => Promise<T>): Promise<T> {
  return attempt(pool, fn, false)
}

/**
 * As {@link transaction}, and `fn` may rest on what is remembered. If that was wrong, all is undone, and
 * `fn` runs a second time, when it may not.
 */
export async function presumingTransaction<T>(pool: Pool, fn: (tx: Tx) => Promise<T>): Promise<T> {
  try {
    return await attempt(pool, fn, true)
  } catch (error) {
    if (!isPresumedWrongly(error)) throw error
    return attempt(pool, fn, false)
  }
}

async function attempt<T>(pool: Pool, fn: (tx: Tx) => Promise<T>, mayPresume: boolean): Promise<T> {
  if (givenUp.has(pool)) throw new Error('the database is lost')
  const endings: ((committed: boolean) => void)[] = []
  const state = { open: true }
  const end = (committed: boolean) => {
    state.open = false
    for (const ending of endings) ending(committed)
  }
  let isCommitting = false
  try {
    const result = await pool.q.transaction().execute(async q => {
      const tx = {
        q,
        mayPresume,
        afterCommit: (run: () => void) => {
          endings.push(committed => {
            if (committed) run()
          })
        },
        onEnd: (run: (committed: boolean) => void) => {
          endings.push(run)
        },
      } as Omit<Tx, typeof inTransaction> as Tx
      const run = () => (mayPresume ? confirmed(tx, fn) : fn(tx))
      const done = await (isWatched ? scope.run(state, run) : run())
      if (pool.beforeCommit) await pool.beforeCommit(tx)
      isCommitting = true
      return done
    })
    end(true)
    return result
  } catch (error) {
    if (isCommitting && !isRefusal(error)) {
      state.open = false
      givenUp.add(pool)
      pool.lose(error as Error)
    } else if (state.open) end(false)
    throw error
  }
}

/** SQLSTATE of a division by zero. */
const isPresumedWrongly = (error: unknown) => (error as { code?: unknown }).code === '22012'

/** Those that rest on something which nobody has confirmed yet. */
const presuming = new WeakSet<Tx>()

/** From now on `tx` rests on a statement that it does not wait for. */
export function notePresumption(tx: Tx): void {
  presuming.add(tx)
}

/** What `fn` throws may come of something presumed wrongly: it counts if nothing has failed. */
async function confirmed<T>(tx: Tx, fn: (tx: Tx) => Promise<T>): Promise<T> {
  try {
    return await fn(tx)
  } catch (error) {
    if (presuming.has(tx)) await sql`SELECT 1`.execute(tx.q).catch(throwUnlessAborted)
    throw error
  }
}

/** `fn` has been told already what failed, if the transaction is aborted for nothing new. */
function throwUnlessAborted(failure: unknown): void {
  if ((failure as { code?: unknown }).code !== '25P02') throw failure
}

/** The server's word that the transaction is undone; class 08 and 57P are broken connections. */
function isRefusal(error: unknown): boolean {
  const { code } = error as { code?: unknown }
  return typeof code === 'string' && /^(?!08|57P)[0-9A-Z]{5}$/.test(code)
}

/** Start something that has nothing to do with the transaction that it may be started from. */
export function outsideTransactions<T>(run: () => T): T {
  return isWatched ? scope.exit(run) : run()
}

/**
 * Throws if the caller is inside a transaction: there, the pool is a bug. On PostgreSQL it would
 * read outside the lock; on PGlite, whose pool is one connection, it would wait for itself.
 */
export function assertOutsideTransaction(): void {
  const state = isWatched ? scope.getStore() : undefined
  if (state?.open) throw new Error('the pool was used inside a transaction; pass tx instead')
}
