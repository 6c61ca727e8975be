/**
 * PGlite, PostgreSQL inside this process, as pools of one connection.
 *
 * kysely's PostgresDialect asks its pool for no more than this. Whoever gets the connection keeps
 * it until `release`; the others queue up in order.
 */
import type { PostgresPool, PostgresPoolClient } from 'kysely'
import type pg from 'pg'
import type { Engine } from './pglite-engine.ts'

/**
 * After so much log there is a checkpoint, for which whoever comes then waits. A page that is written to
 * for the first time since the last one is in the log as a whole: so this is how many are to be
 * written now, whatever was done, and reading alone needs none.
 */
const bytesPerCheckpoint = 6_000_000
/** How much log there is, is asked beside something else. */
const usesPerLookAtLog = 20
/** Which tables have grown is looked at after as many uses, and again each time that they have doubled. */
const usesBeforeAnalyze = 1_000
/** Looking at a large table takes up to 10 ms: whoever has waited for one is not to wait for the next. */
const usesPerAnalyze = 50

/** Whoever has a pool of its own. */
interface User {
  readonly schema: string | undefined
  readonly wire: { isCut: boolean }
  uses: number
  analyzeAt: number
  /** Tables that are still to be looked at. */
  unseen: string[]
}

/** The one connection of a PGlite, in turns. */
export class PgliteConnection {
  readonly #engine: Engine
  readonly #driver: pg.Client
  #tail: Promise<void> = Promise.resolve()
  /** What was asked last: when it has been answered, all has. */
  #last: Promise<unknown> | undefined
  #schema: string | undefined
  #uses = 0
  /** In bytes, since ever. */
  #log = 0
  #logAtCheckpoint: number | undefined

  constructor(engine: Engine, client: pg.Client) {
    this.#engine = engine
    this.#driver = client
  }

  /** A pool that works in this schema; without one, wherever PostgreSQL does by default. */
  pool(schema?: string, wire = { isCut: false }): PostgresPool {
    const user = { schema, wire, uses: 0, analyzeAt: usesBeforeAnalyze, unseen: [] }
    return { connect: async () => this.#client(user), end: async () => undefined }
  }

  /** What those with this wire have begun is undone when they let go; here it is waited for. */
  async cut(wire: { isCut: boolean }): Promise<void> {
    wire.isCut = true
    await this.#rest()
  }

  /** Wait for whoever has it, and close. */
  async close(): Promise<void> {
    await this.#rest()
    await this.#engine.close()
  }

  /**
   * Nothing is taken before something is said. A transaction has the connection until its end has been
   * sent; a statement alone, as long as it is being sent. Who comes next need not wait for the
   * answer, which comes before theirs.
   */
  #client(user: User): PostgresPoolClient {
    let turn: Promise<() => void> | undefined
    const query = async (statement: pg.QueryConfig) => {
      if (isBegin(statement.text)) turn = this.#turn(user)
      const isOver = turn === undefined || isEnd(statement.text)
      const letGo = await (turn ?? this.#turn(user))
      const answer = this.#send(statement)
      if (isOver) {
        turn = undefined
        letGo()
      }
      return answer
    }
    const release = () => {
      const open = turn
      turn = undefined
      // Its wire was cut, or it has lost its way to the end: what it has begun is undone. If that
      // fails, the database is lost, and all are told.
      const undo = async (letGo: () => void) => {
        const undone = this.#send({ text: 'ROLLBACK' })
        letGo()
        await undone
      }
      open?.then(undo).catch(() => undefined)
    }
    return { query, release } as unknown as PostgresPoolClient
  }

  #send(statement: pg.QueryConfig): Promise<pg.QueryResult> {
    const answer = this.#driver.query(statement)
    this.#last = answer
    return answer
  }

  /** Until nobody has it, and all has been answered. */
  async #rest(): Promise<void> {
    await this.#tail
    await this.#last?.catch(() => undefined)
  }

  /** @returns how to let the next one in */
  async #turn(user: User): Promise<() => void> {
    let letGo: () => void = () => undefined
    const before = this.#tail
    this.#tail = new Promise(resolve => {
      letGo = resolve
    })
    await before
    try {
      // It was whole when they came; a server that was killed does nothing any more.
      if (user.wire.isCut) throw new Error('the connection was cut')
      await this.#prepare(user)
    } catch (error) {
      letGo()
      throw error
    }
    return letGo
  }

  async #prepare(user: User): Promise<void> {
    const { schema } = user
    this.#uses += 1
    user.uses += 1
    // PGlite has no background workers. Without checkpoints its log would grow until the process
    // ends; without looking at the tables, plans made for empty ones would stay.
    if (this.#uses % usesPerLookAtLog === 0) this.#lookAtLog()
    if (this.#log >= (this.#logAtCheckpoint ?? this.#log) + bytesPerCheckpoint) {
      this.#logAtCheckpoint = this.#log
      await this.#driver.query('CHECKPOINT')
    }
    if (user.uses >= user.analyzeAt) {
      user.analyzeAt *= 2
      user.unseen = await this.#tablesGrownIn(schema ?? 'public')
    }
    const table = user.uses % usesPerAnalyze === 0 ? user.unseen.pop() : undefined
    if (table !== undefined) await this.#driver.query(`ANALYZE ${table}`)
    if (schema === undefined || schema === this.#schema) return
    this.#schema = undefined
    await this.#driver.query(`SET search_path TO ${escapeIdentifier(schema)}`)
    this.#schema = schema
  }

  /** Not waited for: the answer comes with the next one, and counts from then on. */
  #lookAtLog(): void {
    const told = this.#driver.query<{ bytes: string }>(
      `SELECT pg_current_wal_insert_lsn() - '0/0' AS bytes`,
    )
    told.then(
      ({ rows: [row] }) => {
        this.#log = Number(row?.bytes)
        this.#logAtCheckpoint ??= this.#log
      },
      // Whoever asks next is told that the database is lost.
      () => undefined,
    )
  }

  /**
   * Those that are twice as large as when they were last looked at, or have never been; the largest
   * last, for it is taken first. Heartbeats change nothing that a plan depends on.
   *
   * Only of this schema: of fifty servers there are thousands.
   */
  async #tablesGrownIn(schema: string): Promise<string[]> {
    const { rows } = await this.#driver.query<{ name: string }>(
      `SELECT format('%I.%I', nspname, relname) AS name
       FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
       WHERE nspname = $1 AND relkind = 'r' AND pg_relation_size(pg_class.oid) > 0
         AND (reltuples < 0
           OR pg_relation_size(pg_class.oid) >= 2 * relpages * current_setting('block_size')::bigint)
       ORDER BY pg_relation_size(pg_class.oid)`,
      [schema],
    )
    return rows.map(row => row.name)
  }
}

/** As kysely says them. */
const isBegin = (text: string) => text === 'begin' || text.startsWith('start transaction')
const isEnd = (text: string) => text === 'commit' || text === 'rollback'

function escapeIdentifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}
