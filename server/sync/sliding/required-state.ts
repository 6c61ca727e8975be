/**
 * Which state of a room a client wants to have. Pure.
 *
 * Spec: MSC4186 "RequiredStateRequest", in the form that clients send: pairs of type and state key,
 * either of which may be `*`; the key may be `$ME`, and of `m.room.member` also `$LAZY`
 */

export interface RequiredState {
  /** By type the state keys; `*` stands for all types, or all keys. */
  readonly keys: ReadonlyMap<string, ReadonlySet<string>>
  /** Members are told as far as the timeline speaks of them. */
  readonly isLazy: boolean
  /** The same for the same wishes, in whatever order they came. */
  readonly signature: string
}

const memberType = 'm.room.member'
const nothing: ReadonlySet<string> = new Set()

export function requiredState(
  pairs: readonly (readonly [type: string, stateKey: string])[],
  userId: string,
): RequiredState {
  const isLazyPair = (type: string, key: string) => type === memberType && key === '$LAZY'
  const keys = new Map<string, Set<string>>()
  for (const [type, key] of pairs) {
    if (isLazyPair(type, key)) continue
    const ofType = keys.get(type) ?? new Set()
    keys.set(type, ofType.add(key === '$ME' ? userId : key))
  }
  return signed(
    keys,
    pairs.some(([type, key]) => isLazyPair(type, key)),
  )
}

/** Whatever any of them wants. */
export function mergeRequiredState(all: readonly RequiredState[]): RequiredState {
  const [first, ...others] = all
  if (first && others.every(other => other.signature === first.signature)) return first
  const keys = new Map<string, Set<string>>()
  for (const state of all) {
    for (const [type, ofType] of state.keys) {
      keys.set(type, new Set([...(keys.get(type) ?? []), ...ofType]))
    }
    // A lazy wish for all types leaves members out; one that is not lazy does not.
    const isAnyMember = !state.isLazy && state.keys.get('*')?.has('*')
    if (isAnyMember) keys.set(memberType, new Set([...(keys.get(memberType) ?? []), '*']))
  }
  return signed(
    keys,
    all.some(state => state.isLazy),
  )
}

/**
 * {@link mergeRequiredState} for the rooms of one answer. Those that are to have the same share it: what is
 * wanted of a room is kept as long as the room, and may be long.
 */
export function sharedMerging(): typeof mergeRequiredState {
  const shared = new Map<string, RequiredState>()
  return all => {
    const merged = mergeRequiredState(all)
    const same = shared.get(merged.signature) ?? merged
    shared.set(merged.signature, same)
    return same
  }
}

/** Whether it asks for this piece of state by name or by `*`, laziness apart. */
export function isRequired(state: RequiredState, type: string, stateKey: string): boolean {
  const ofType = state.keys.get(type) ?? nothing
  if (ofType.has('*') || ofType.has(stateKey)) return true
  // "all state events except for m.room.member events which you want to lazily load"
  if (type === memberType && state.isLazy) return false
  const ofAll = state.keys.get('*') ?? nothing
  return ofAll.has('*') || ofAll.has(stateKey)
}

/** Whether `wide` asks for all that `narrow` asks for. */
export function covers(wide: RequiredState, narrow: RequiredState): boolean {
  if (wide.signature === narrow.signature) return true
  if (wide.isLazy && !narrow.isLazy && narrow.keys.has('*')) return false
  return [...narrow.keys].every(([type, keys]) =>
    [...keys].every(key => isRequired(wide, type, key)),
  )
}

/** What to read from the database: at least all that is required. */
export function selectionOf({ keys, isLazy }: RequiredState): {
  types?: string[]
  members?: string[]
} {
  const ofAll = isLazy ? nothing : (keys.get('*') ?? nothing)
  const members = [...(keys.get(memberType) ?? nothing), ...ofAll]
  return {
    ...(keys.has('*') ? {} : { types: [...keys.keys()] }),
    ...(members.includes('*') ? {} : { members }),
  }
}

function signed(keys: ReadonlyMap<string, ReadonlySet<string>>, isLazy: boolean): RequiredState {
  const inOrder = [...keys].map(([type, ofType]) => [type, [...ofType].sort()] as const)
  inOrder.sort(([a], [b]) => (a < b ? -1 : 1))
  return { keys, isLazy, signature: JSON.stringify([isLazy, inOrder]) }
}
