/** A database that is lost to us while we run. */

/** The news that the database is lost, for whoever waits, and the way to spread it. */
export interface Loss {
  lost: Promise<Error>
  lose: (reason: Error) => void
}

export function loss(): Loss {
  let lose: (reason: Error) => void = () => undefined
  const lost = new Promise<Error>(resolve => {
    lose = resolve
  })
  return { lost, lose }
}

/** In one line, whatever was thrown. A refused connection to several addresses has only a code. */
export function reasonOf(error: unknown): string {
  const { code, message } = error as { code?: string; message?: string }
  return (message || code || String(error)).replace(/\s*\n\s*/g, ' ')
}
