/** A server that was put aside. */
export interface Snapshot {
  readonly id: string
  /** What the clock said, Unix ms. */
  readonly now: number
}
