/** A map of bounded size: what was set longest ago is forgotten first. */
export class RecentMap<K, V> extends Map<K, V> {
  readonly #most: number
  readonly #sizeOf: (value: V) => number
  readonly #sizes = new Map<K, number>()
  #size = 0

  /** @param sizeOf of a value when it is set; unless given, `most` is a number of entries */
  constructor(most: number, sizeOf: (value: V) => number = () => 1) {
    super()
    this.#most = most
    this.#sizeOf = sizeOf
  }

  /** Whatever its size, what is set now stays. */
  override set(key: K, value: V): this {
    this.delete(key)
    super.set(key, value)
    const size = this.#sizeOf(value)
    this.#sizes.set(key, size)
    this.#size += size
    while (this.#size > this.#most && this.size > 1) {
      for (const oldest of this.keys()) {
        this.delete(oldest)
        break
      }
    }
    return this
  }

  override delete(key: K): boolean {
    this.#size -= this.#sizes.get(key) ?? 0
    this.#sizes.delete(key)
    return super.delete(key)
  }

  override clear(): void {
    this.#sizes.clear()
    this.#size = 0
    super.clear()
  }
}
