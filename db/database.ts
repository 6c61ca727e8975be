/** An open, migrated database, or none. */
import type { TableWrites } from './table-writes.ts'
import type { Pool } from './transaction.ts'

interface SchemaOpener {
  open(schema: string): Promise<Database>
}

export interface DatabaseOptions {
  /** An embedded database that others in this process use, too (`SharedPglite`); instead of all the rest. */
  shared?: { database: SchemaOpener; schema: string } | undefined
  /** A PostgreSQL server, version 14 or later. Without it, PGlite in `dataDir`. */
  url?: string | undefined
  /** The PostgreSQL schema to live in; made where it is missing. */
  schema?: string | undefined
  /** Connections to the PostgreSQL server. */
  maxConnections?: number | undefined
  /** Where PGlite keeps its files. */
  dataDir: string
}

export interface Database extends Pool {
  readonly engine: 'postgres' | 'pglite'
  /** In words, for the banner; without user name and password. */
  readonly location: string
  /** To what sessions are read from. */
  readonly sessionWrites: TableWrites
  /** Settles only if the database is lost to us while we run, with the reason. */
  readonly lost: Promise<Error>
  /**
   * Let rows that come have the room of rows that are gone; a PostgreSQL server does so by itself.
   * Told whether to end soon.
   */
  clearDeadRows(isStopped: () => boolean): Promise<void>
  close(): Promise<void>
  /**
   * Leave as a process that is killed: what is not committed is undone, and nothing is done any
   * more. To be closed nevertheless.
   */
  cut(): Promise<void>
}

/** A database that cannot be opened, said in one line for the person who starts the server. */
export class DatabaseUnavailable extends Error {}
