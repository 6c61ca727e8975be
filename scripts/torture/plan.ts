/** Where to kill: first every step that was seen, in each of its phases, and then at random. */
import type { Random } from './random.ts'
import { answer, type Order, paths, phases, type Reached } from './steps.ts'

export interface Kill {
  /** Undefined: from outside, after so many ms of load. */
  order?: Order
  afterMs: number
  /** While it starts again after another kill, when things are overdue. */
  isAtStart: boolean
  /** One of those that have to be reached. */
  isEnumerated: boolean
}

/** Where most is at stake; a short run begins with these. */
const stakes = ['commit', 'update delayed_events', answer, 'insert events']

/** @param seen in a calm run of each path */
export function enumerated(seen: readonly Reached[]): Kill[] {
  const rank = (step: string) => (stakes.indexOf(step) + stakes.length + 1) % (stakes.length + 1)
  return seen
    .flatMap(({ path, step }) =>
      phases
        .filter(phase => phase === 'after' || step !== answer)
        .flatMap(phase =>
          (path === 'fire' ? [false, true] : [false]).map(isAtStart => ({
            path,
            step,
            phase,
            isAtStart,
          })),
        ),
    )
    .sort((a, b) => rank(a.step) - rank(b.step) || paths.indexOf(a.path) - paths.indexOf(b.path))
    .map(({ isAtStart, ...at }) => ({
      order: { ...at, nth: 1 },
      afterMs: 0,
      isAtStart,
      isEnumerated: true,
    }))
}

export function anywhere(random: Random): Kill {
  if (random.chance(0.4)) {
    return { afterMs: random.between(0, 400), isAtStart: false, isEnumerated: false }
  }
  const isAtStart = random.chance(0.2)
  const nth = random.between(1, isAtStart ? 40 : 250)
  const at = isAtStart ? { path: 'fire' as const } : {}
  const order = { ...at, phase: random.pick(phases), nth }
  return { order, afterMs: 0, isAtStart, isEnumerated: false }
}
