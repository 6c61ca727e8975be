/** Names for the places at which a server process can be killed, and orders to do it. */

export type Engine = 'pglite' | 'postgres'

/** What the server is doing: what somebody asked for, or, of its own accord, `fire`. */
export const paths = ['fire', 'send', 'cancel', 'restart', 'schedule', 'update'] as const
export type Path = (typeof paths)[number]

/** Around one statement to the database; `during`: it was sent, and nobody waited for its answer. */
export const phases = ['before', 'during', 'after'] as const
export type Phase = (typeof phases)[number]

/** Kill yourself there. */
export interface Order {
  /** Undefined: wherever you are. */
  path?: Path
  /** A statement as {@link nameOf} names it, or `answer`. Undefined: any. */
  step?: string
  phase: Phase
  /** When you come by for the `nth` time, counted from 1. */
  nth: number
}

/** What the harness tells the process, in the environment (at its start) or as a message (later). */
export interface Instructions {
  engine: Engine
  order?: Order | undefined
  /** Tell of every step. */
  trace?: boolean
  /** Break the server in this way; see sabotages.ts. */
  sabotage?: string | undefined
}

export interface Reached {
  path: Path
  step: string
}

/** The step after which the answer has been written. */
export const answer = 'answer'

/** A statement in two words: what it does, or does first, and to which table. */
export function nameOf(sql: string): string {
  const text = sql.trim().toLowerCase().replaceAll('"', '').replace(/\s+/g, ' ')
  const [verb = ''] = text.split(' ')
  if (verb === 'with') {
    const change = /(?<!for )\b(insert|update|delete)(?: into| from)? (\w+)/.exec(text)
    if (change) return `${change[1]} ${change[2]}`
  }
  const table = /(?:\bfrom|\binto|^update) (\w+)/.exec(text)?.[1]
  if (table === undefined) return verb
  return `${/\bfor update\b/.test(text) ? 'lock' : verb} ${table}`
}

/** What a request asks for; undefined: something that has to do with no delayed event. */
export function pathOf(method = '', url = ''): Path | undefined {
  const managed = /\/delayed_events\/[^/]+\/(send|cancel|restart)$/.exec(url)?.[1]
  if (method === 'POST') return managed as Path | undefined
  if (method !== 'PUT') return undefined
  if (/[?&](org\.matrix\.msc4140\.)?delay=|\/delayed_event\//.test(url)) return 'schedule'
  return /\/rooms\/[^/]+\/state\//.test(url) ? 'update' : undefined
}

export function textOf({ path, step, phase, nth }: Order): string {
  return `${phase} ${step ?? 'any statement'} of ${path ?? 'anything'}, number ${nth}`
}
