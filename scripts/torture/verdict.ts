/** Does what is in the room agree with what was asked, and with what the server said? */
import type { WireEvent } from '../../spec-tests/support/wire.ts'
import { type Act, type Asked, type Entry, markOf, type Seen } from './ledger.ts'

export type BreachKind =
  /** Two events of one delayed event. */
  | 'duplicate'
  /** No event, and nobody asked for that. */
  | 'lost'
  /** Sent before it was due. */
  | 'early'
  /** An answer, a record or another user's client tells another story than the room. */
  | 'untrue'
  /** What was overdue at a start was not sent first, or not in order. */
  | 'order'

export interface Breach {
  kind: BreachKind
  mark: string
  text: string
}

export function breachesIn(entries: readonly Entry[], seen: Seen): Breach[] {
  const byMark = new Map<string, WireEvent[]>()
  for (const event of seen.timeline) {
    byMark.set(markOf(event), [...(byMark.get(markOf(event)) ?? []), event])
  }
  return [
    ...entries.flatMap(entry =>
      problemsOf(entry, byMark.get(entry.mark) ?? [], seen).map(([kind, text]) => ({
        kind,
        mark: entry.mark,
        text: `${text}; ${storyOf(entry)}`,
      })),
    ),
    ...orderOf(entries, seen),
    ...shownOf(seen),
  ]
}

type Problem = [BreachKind, string]

const askedFor = (entry: Entry, ...whats: Asked['what'][]) =>
  entry.asked.filter(({ what }) => whats.includes(what))

const wasDone = (entry: Entry, what: Act) =>
  askedFor(entry, what).some(({ status }) => status === 200)

/** The dialects before 2026 say 404, the newest says 409. */
const cameTooLate = ({ status }: Asked) => status === 404 || status === 409

const wasTooLate = (entry: Entry, what: Act) => askedFor(entry, what).some(cameTooLate)

function problemsOf(entry: Entry, events: readonly WireEvent[], seen: Seen): Problem[] {
  const [event] = events
  if (events.length > 1) return [['duplicate', `${events.length} events`]]
  return [
    ...strangeAnswers(entry),
    ...(event ? problemsOfSent(entry, event, seen) : problemsOfUnsent(entry)),
    ...problemsOfRecord(entry, event, seen),
  ]
}

/** Nothing that was asked deserves another answer than that it was done or that it is too late. */
function strangeAnswers(entry: Entry): Problem[] {
  return entry.asked
    .filter(asked => {
      const mayBeLate = asked.what !== 'schedule' && asked.what !== 'update'
      const { status } = asked
      return status !== undefined && status !== 200 && !(mayBeLate && cameTooLate(asked))
    })
    .map(({ what, status }) => ['untrue', `${what} was answered ${status}`])
}

function problemsOfSent(entry: Entry, event: WireEvent, seen: Seen): Problem[] {
  const problems: Problem[] = []
  const sentAt = event.origin_server_ts
  if (wasDone(entry, 'cancel')) problems.push(['untrue', 'cancelled, they said'])
  if (wasTooLate(entry, 'send')) problems.push(['untrue', 'a send came too late, they said'])
  const update = askedFor(entry, 'update').find(({ status }) => status === 200)
  const indexOf = (id: string | undefined) =>
    seen.timeline.findIndex(({ event_id }) => event_id === id)
  if (update && indexOf(update.eventId) < indexOf(event.event_id)) {
    problems.push(['untrue', 'sent after the update that had cancelled it'])
  }
  const due = dueAtTheEarliest(entry)
  const firstShownAt = seen.shown.find(shown => shown.event.event_id === event.event_id)?.at
  const sooner = Math.min(sentAt, firstShownAt ?? sentAt)
  const requestedAt = Math.min(...askedFor(entry, 'send').map(asked => asked.sentAt))
  if (sooner < due && sooner < requestedAt) problems.push(['early', `${due - sooner} ms early`])
  for (const restart of askedFor(entry, 'restart')) {
    const { sentAt: askedAt, answeredAt, status } = restart
    const isLate = cameTooLate(restart)
    if (status === 200 && askedAt > sentAt) {
      problems.push(['untrue', 'restarted after it was sent, they said'])
    }
    if (isLate && answeredAt !== undefined && answeredAt < sentAt) {
      problems.push(['untrue', 'a restart came too late before it was sent, they said'])
    }
  }
  return problems
}

/** From when on it may be sent if nobody asks for it: the last restart that is known to be true. */
function dueAtTheEarliest(entry: Entry): number {
  const counted = askedFor(entry, 'schedule', 'restart')
    .filter((asked, i) => i === 0 || (asked.what === 'restart' && asked.status === 200))
    .map(({ sentAt }) => sentAt)
  return Math.max(...counted) + entry.delayMs
}

function problemsOfUnsent(entry: Entry): Problem[] {
  const problems: Problem[] = []
  if (wasDone(entry, 'send')) problems.push(['lost', 'sent, they said'])
  if (wasTooLate(entry, 'cancel')) problems.push(['lost', 'a cancel came too late, they said'])
  const isScheduled = askedFor(entry, 'schedule').some(({ status }) => status === 200)
  if (isScheduled && askedFor(entry, 'cancel', 'update').length === 0) {
    problems.push(['lost', 'no event, and nobody cancelled it'])
  }
  return problems
}

/** What is said of it afterwards. */
function problemsOfRecord(entry: Entry, event: WireEvent | undefined, seen: Seen): Problem[] {
  const { delayId } = entry
  if (delayId === undefined) return []
  if (seen.stillScheduled.has(delayId)) return [['lost', 'still scheduled long after it was due']]
  const record = seen.records.get(delayId)
  if (!record) return [['untrue', 'it cannot be looked up']]
  const problems: Problem[] = []
  if (record.event_id !== event?.event_id) {
    problems.push([
      'untrue',
      `its record names ${record.event_id}, the room has ${event?.event_id}`,
    ])
  }
  if (record.error) problems.push(['untrue', `it failed: ${JSON.stringify(record.error)}`])
  if (event && event.unsigned?.delay_id !== delayId) {
    problems.push(['untrue', 'its event does not say which delayed event it was'])
  }
  return problems
}

/** At each start, what is overdue comes first, and in order. */
function orderOf(entries: readonly Entry[], seen: Seen): Breach[] {
  const left = entries
    .filter(entry => askedFor(entry, 'send').length === 0)
    .flatMap(entry => {
      const record = entry.delayId === undefined ? undefined : seen.records.get(entry.delayId)
      return record
        ? [{ entry, due: Number(record.delayed_since_ts) + Number(record.delay_ms) }]
        : []
    })
  const dueByMark = new Map(left.map(({ entry, due }) => [entry.mark, due]))
  const breaches: Breach[] = []
  for (const [i, { startedAt }] of seen.lives.entries()) {
    const endedAt = seen.lives[i + 1]?.startedAt ?? Number.POSITIVE_INFINITY
    let latest = 0
    for (const event of seen.timeline) {
      const due = dueByMark.get(markOf(event))
      const { origin_server_ts: sentAt } = event
      if (due === undefined || sentAt < startedAt || sentAt >= endedAt) continue
      if (due < startedAt && due < latest) {
        const text = `overdue since ${due}, sent after what was due at ${latest}`
        breaches.push({ kind: 'order', mark: markOf(event), text })
      }
      latest = Math.max(latest, due)
    }
  }
  return breaches
}

/** Another user's client is shown each event once, in the order of the room. */
function shownOf(seen: Seen): Breach[] {
  const ids = (events: readonly WireEvent[]) => events.map(event => event.event_id).join(' ')
  const shown = seen.shown.map(({ event }) => event)
  if (ids(shown) === ids(seen.timeline)) return []
  const text = `another user was shown ${shown.length} events, the room has ${seen.timeline.length}`
  return [{ kind: 'untrue', mark: '', text }]
}

/** The ledger's page, for whoever has to find out what happened. */
function storyOf(entry: Entry): string {
  const lines = entry.asked.map(
    ({ what, sentAt, status }) => `${what} at ${sentAt}: ${status ?? 'no answer'}`,
  )
  return `${entry.kind} "${entry.mark}", ${entry.delayMs} ms, ${lines.join(', ')}`
}
