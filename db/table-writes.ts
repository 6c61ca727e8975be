/**
 * Who remembers rows of some tables has to know when they may have changed. The connection tells:
 * nobody can write, and forget to say so.
 */

/** Whether somebody writes to certain tables, or has written. */
export class TableWrites {
  readonly #isWrite: RegExp
  readonly #known = new Map<string, boolean>()
  #writers = 0
  #version = 0

  /** @param isWrite finds the statements that write to these tables */
  constructor(isWrite: RegExp) {
    this.#isWrite = isWrite
  }

  /**
   * What was read, wholly, while this was the same number is still so. Undefined: somebody is
   * writing, and nobody knows when what they write will be seen.
   */
  version(): number | undefined {
    return this.#writers === 0 ? this.#version : undefined
  }

  isWrite(text: string): boolean {
    let isOne = this.#known.get(text)
    if (isOne === undefined) {
      isOne = this.#isWrite.test(text)
      if (this.#known.size < 10_000) this.#known.set(text, isOne)
    }
    return isOne
  }

  /** Before the first write of a connection. */
  begin(): void {
    this.#writers += 1
  }

  /** When the connection is given back: its transaction has ended, one way or the other. */
  end(): void {
    this.#writers -= 1
    this.#version += 1
  }
}

/** What a session, and who is behind it, is read from. Devices take their sessions with them. */
export const sessionWrites = () =>
  new TableWrites(
    /(insert into|update|delete from)\s+"?(sessions|users)\b|delete from\s+"?devices\b/i,
  )
