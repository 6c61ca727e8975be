/** `required_state`: the state that a client asked for, as far as it does not have it. */
import { selectStateAt } from '../../../db/room-state.ts'
import type { EventRow } from '../../../db/schema.ts'
import type { Context } from '../context.ts'
import type { ToldRoom } from './connections.ts'
import { covers, isRequired, type RequiredState, selectionOf } from './required-state.ts'

export interface StateWish {
  roomId: string
  wanted: RequiredState
  /** What the client has; undefined if nothing. */
  told: ToldRoom | undefined
  /** Inclusive. */
  upTo: number
  /** Whose senders, and members, are told lazily. */
  speaking: readonly EventRow[]
  /** The timeline does not begin where the client's ends. */
  isGap: boolean
}

/** More are forgotten, oldest first, and told again. */
const mostMembers = 200

/** In order of position, and which members the client has been told of by then. */
export async function readRequiredState(
  ctx: Context,
  wish: StateWish,
): Promise<{ rows: EventRow[]; members: ReadonlySet<string> }> {
  const { told } = wish
  const spokenOf = wish.wanted.isLazy ? [...new Set(wish.speaking.flatMap(usersOf))] : []
  const [asked, lazy] = await Promise.all([
    readAsked(ctx, wish),
    spokenOf.length === 0
      ? []
      : selectStateAt(ctx.db, wish.roomId, wish.upTo, {
          types: ['m.room.member'],
          members: spokenOf,
        }),
  ])
  // Who changes while nobody is told lazily is not told of: whom the client had, it may have as they were.
  if (!wish.wanted.isLazy) return { rows: asked, members: new Set() }

  // "clients must flush any membership cache when limited is true": what they had no longer counts.
  const known = told && !wish.isGap ? told.members : new Set<string>()
  const isKnown = (row: EventRow) =>
    known.has(row.state_key ?? '') && row.position <= (told?.upTo ?? 0)
  const rows = new Map([...asked, ...lazy.filter(row => !isKnown(row))].map(r => [r.event_id, r]))
  return {
    rows: [...rows.values()].sort((a, b) => a.position - b.position),
    members: new Set([...known, ...spokenOf].slice(-mostMembers)),
  }
}

async function readAsked(
  ctx: Context,
  { roomId, wanted, told, upTo }: StateWish,
): Promise<EventRow[]> {
  const onlyChanges = told && covers(told.state, wanted) ? { after: told.upTo } : {}
  const selection = { ...selectionOf(wanted), ...onlyChanges }
  const rows = await selectStateAt(ctx.db, roomId, upTo, selection)
  return rows.filter(row => {
    const key = row.state_key ?? ''
    const isNew = !told || row.position > told.upTo || !isRequired(told.state, row.type, key)
    return isNew && isRequired(wanted, row.type, key)
  })
}

/** Who sent an event, and whose membership it is. */
function usersOf(row: EventRow): string[] {
  return row.type === 'm.room.member' && row.state_key !== null
    ? [row.sender, row.state_key]
    : [row.sender]
}
