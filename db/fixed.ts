/**
 * Statements of the busiest roads whose text is always the same: it is put together once, where kysely
 * builds a tree for every query, freezes it, and walks it to write the text again.
 *
 * Only for what has no parts that come and go. Types are not checked against the schema, as with `sql`.
 */
import { CompiledQuery } from 'kysely'
import type { Db } from './transaction.ts'

/** By where in the program it stands. */
const texts = new WeakMap<TemplateStringsArray, string>()

/** As kysely's `sql`; everything between `${` and `}` is a parameter. */
export function fixed<Row>(strings: TemplateStringsArray, ...values: readonly unknown[]) {
  return {
    async execute(q: Db['q']): Promise<{ rows: Row[] }> {
      return q.executeQuery<Row>(CompiledQuery.raw(textOf(strings), [...values]))
    },
  }
}

function textOf(strings: TemplateStringsArray): string {
  const known = texts.get(strings)
  if (known !== undefined) return known
  const text = strings.reduce((before, part, i) => `${before}$${i}${part}`)
  texts.set(strings, text)
  return text
}
