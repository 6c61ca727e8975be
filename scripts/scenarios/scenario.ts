import type { World } from './world.ts'

/** A way in which calls break, told from beginning to end. */
export interface Scenario {
  /** What happens, in a sentence. */
  story: string
  /** What must be seen, in words; the checks say it to the millisecond. */
  mustSee: string
  /** Options of the server, other than those of the profile for tests. */
  config?: Record<string, unknown>
  run(world: World): Promise<void>
}
