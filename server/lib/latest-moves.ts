/**
 * Which keys have moved last, in the order in which they did: who asks for those since some position
 * looks at these alone, however many there are.
 */
export class LatestMoves {
  readonly #positions = new Map<string, number>()
  /** Rising; of a key that has moved again since, what was before is still here for a while. */
  #moves: { key: string; position: number }[] = []

  /** @param position higher than any before */
  set(key: string, position: number): void {
    this.#positions.set(key, position)
    this.#moves.push({ key, position })
    if (this.#moves.length > 2 * this.#positions.size) {
      this.#moves = this.#moves.filter(move => this.#isLast(move))
    }
  }

  /** Those that moved last in (after, upTo], the earliest first. */
  between(after: number, upTo: number): string[] {
    const found: string[] = []
    for (let i = this.#firstAfter(after); i < this.#moves.length; i++) {
      const move = this.#moves[i]
      if (!move || move.position > upTo) break
      if (this.#isLast(move)) found.push(move.key)
    }
    return found
  }

  #isLast({ key, position }: { key: string; position: number }): boolean {
    return this.#positions.get(key) === position
  }

  #firstAfter(after: number): number {
    let [low, high] = [0, this.#moves.length]
    while (low < high) {
      const middle = (low + high) >> 1
      if ((this.#moves[middle]?.position ?? 0) > after) high = middle
      else low = middle + 1
    }
    return low
  }
}
