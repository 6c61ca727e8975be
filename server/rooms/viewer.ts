/** Who looks, and when. */
export interface Viewer {
  userId: string
  deviceId: string
  /** Unix ms, for `unsigned.age`. */
  now: number
  /** Whose doings are not told with the events that they relate to. */
  ignored(): Promise<ReadonlySet<string>>
  /** By user, the position at which they asked for what they said to be erased. */
  erased: ReadonlyMap<string, number>
}
