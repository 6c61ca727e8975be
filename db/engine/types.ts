/** How the driver reads what PostgreSQL sends. */
import type pg from 'pg'

/** bigint and numeric as numbers, on both engines: positions and times stay far below 2^53. */
const int8 = 20

export function typesOf(driver: typeof pg): pg.CustomTypesConfig {
  return {
    getTypeParser: (oid, format) =>
      oid === int8 ? Number : driver.types.getTypeParser(oid, format as 'text'),
  }
}
