/**
 * A set of texts in little memory that may take a stranger for one of its own, and never one of its
 * own for a stranger (Bloom, 1970).
 */
export class BloomFilter {
  readonly #bits: Uint32Array
  readonly #mask: number
  #size = 0

  /** @param log2Bits with 16 bits a text, one stranger in a thousand is taken for a member */
  constructor(log2Bits: number) {
    this.#bits = new Uint32Array(2 ** (log2Bits - 5))
    this.#mask = 2 ** log2Bits - 1
  }

  /** How many texts were added. */
  get size(): number {
    return this.#size
  }

  add(text: string): void {
    for (const at of this.#placesOf(text)) {
      this.#bits[at >>> 5] = (this.#bits[at >>> 5] ?? 0) | (1 << (at & 31))
    }
    this.#size += 1
  }

  /** False: it was not added. */
  mayHave(text: string): boolean {
    return this.#placesOf(text).every(at => ((this.#bits[at >>> 5] ?? 0) >>> (at & 31)) & 1)
  }

  clear(): void {
    this.#bits.fill(0)
    this.#size = 0
  }

  /** Four, from two hashes (Kirsch and Mitzenmacher, 2006). */
  #placesOf(text: string): number[] {
    const first = hashOf(text, 0x811c9dc5)
    const second = hashOf(text, 0x9747b28c) | 1
    return [0, 1, 2, 3].map(i => (first + Math.imul(i, second)) & this.#mask)
  }
}

/** FNV-1a, stirred at the end: the last letters, by which our texts differ, would move few bits. */
function hashOf(text: string, seed: number): number {
  let hash = seed
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return hash ^ (hash >>> 16)
}
