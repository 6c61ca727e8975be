/**
 * What comes and goes with every request.
 *
 * A Set would do, but for the garbage collector: whenever a Set has been filled by what came and went,
 * it moves to a new table, and the old one keeps pointing there. One old table that has lived through a
 * few collections keeps the next alive until the next full one, with whatever was in it, and so on:
 * a tenth to a fifth of all that requests made outlived them (decision 80). Here no table is left behind.
 */
export class Passing<T extends {}> {
  readonly #places: (T | undefined)[] = []
  readonly #free: number[] = []

  /** @returns lets it go; to be called once */
  add(item: T): () => void {
    const place = this.#free.pop() ?? this.#places.length
    this.#places[place] = item
    return () => {
      this.#places[place] = undefined
      this.#free.push(place)
    }
  }

  get size(): number {
    return this.#places.length - this.#free.length
  }

  /** In no particular order. */
  all(): T[] {
    return this.#places.filter(item => item !== undefined)
  }
}
