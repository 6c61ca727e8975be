/** For tests of what waits for the end of a transaction. */
import type { Tx } from '../transaction.ts'

/** One that ends when it is told to; on PGlite no two real ones can be open at once. */
export function heldTransaction(): { tx: Tx; end: (committed?: boolean) => void } {
  const endings: ((committed: boolean) => void)[] = []
  const tx = { onEnd: ending => endings.push(ending) } as Pick<Tx, 'onEnd'> as Tx
  return { tx, end: (committed = true) => endings.forEach(ending => void ending(committed)) }
}
