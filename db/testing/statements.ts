/** What a request asks the database, for tests: production has nothing of this. */
import pg from 'pg'

export interface Statement {
  text: string
  values: readonly unknown[]
}

/** Every statement that is sent meanwhile, by whomever, BEGIN and COMMIT included. */
export async function statementsOf(request: () => Promise<unknown>): Promise<Statement[]> {
  const statements: Statement[] = []
  // Both engines are asked through one driver, so here every statement passes.
  const driver = pg.Client.prototype as unknown as Record<'query', (...args: unknown[]) => unknown>
  const { query } = driver
  driver.query = function (this: unknown, ...args: unknown[]) {
    const [config] = args as [{ text?: string; values?: unknown[] } | undefined]
    if (config?.text) statements.push({ text: config.text, values: config.values ?? [] })
    return query.apply(this, args)
  }
  try {
    await request()
  } finally {
    driver.query = query
  }
  return statements
}
