/** The harness's judgement: each breach is seen, and what only looks like one is not. */
import type { WireEvent } from '../../spec-tests/support/wire.ts'
import type { Asked, Entry, Seen } from './ledger.ts'
import { breachesIn } from './verdict.ts'

const delayMs = 100
const due = 1_000 + delayMs

const asked = (what: Asked['what'], sentAt: number, status?: number): Asked =>
  status === undefined ? { what, sentAt } : { what, sentAt, status, answeredAt: sentAt + 5 }

const entry = (...more: Asked[]): Entry => ({
  mark: 'a',
  kind: 'message',
  delayMs,
  delayId: 'id of a',
  asked: [asked('schedule', 1_000, 200), ...more],
})

const event = (sentAt: number, eventId = '$a'): WireEvent => ({
  event_id: eventId,
  type: 'm.torture',
  sender: '@alice:hs1',
  content: { mark: 'a' },
  origin_server_ts: sentAt,
  unsigned: { delay_id: 'id of a' },
})

/** A world in which these events are in the room, and everybody agrees about it. */
const seen = (events: WireEvent[], more: Partial<Seen> = {}): Seen => ({
  timeline: events,
  shown: events.map(one => ({ event: one, at: one.origin_server_ts + 1 })),
  records: new Map([['id of a', events[0] ? { event_id: events[0].event_id } : {}]]),
  stillScheduled: new Set(),
  lives: [{ startedAt: 0 }],
  ...more,
})

const kinds = (item: Entry, world: Seen) => breachesIn([item], world).map(({ kind }) => kind)

describe('what held', () => {
  test.each<[string, Entry, Seen]>([
    ['sent when due', entry(), seen([event(due)])],
    ['sent on request', entry(asked('send', 1_050, 200)), seen([event(1_051)])],
    ['cancelled', entry(asked('cancel', 1_050, 200)), seen([])],
    ['perhaps cancelled', entry(asked('cancel', 1_050)), seen([])],
    ['perhaps not', entry(asked('cancel', 1_050)), seen([event(due)])],
    ['restarted', entry(asked('restart', 1_050, 200)), seen([event(1_150)])],
    ['too late for a restart', entry(asked('restart', due + 1, 404)), seen([event(due)])],
  ])('%s', (_, item, world) => {
    expect(kinds(item, world)).toEqual([])
  })
})

describe('what did not', () => {
  const unlike = event(due)
  delete unlike.unsigned
  test.each<[string, Entry, Seen, string]>([
    ['twice', entry(), seen([event(due), event(due, '$b')]), 'duplicate'],
    ['never', entry(), seen([]), 'lost'],
    ['never, though they said so', entry(asked('send', 1_050, 200)), seen([]), 'lost'],
    ['for ever', entry(), seen([], { stillScheduled: new Set(['id of a']) }), 'lost'],
    ['a cancel came too late for nothing', entry(asked('cancel', 1_050, 404)), seen([]), 'lost'],
    ['early', entry(), seen([event(due - 1)]), 'early'],
    ['before a restart ran out', entry(asked('restart', 1_050, 200)), seen([event(due)]), 'early'],
    [
      'shown early',
      entry(),
      seen([event(due)], { shown: [{ event: event(due), at: due - 1 }] }),
      'early',
    ],
    ['sent though cancelled', entry(asked('cancel', 1_050, 200)), seen([event(due)]), 'untrue'],
    ['sent though too late', entry(asked('send', 1_050, 409)), seen([event(due)]), 'untrue'],
    ['restarted afterwards', entry(asked('restart', due + 1, 200)), seen([event(due)]), 'untrue'],
    ['an error of ours', entry(asked('restart', 1_050, 500)), seen([event(due)]), 'untrue'],
    ['not shown to others', entry(), seen([event(due)], { shown: [] }), 'untrue'],
    ['no record', entry(), seen([event(due)], { records: new Map() }), 'untrue'],
    ['a nameless event', entry(), seen([unlike]), 'untrue'],
  ])('%s', (_, item, world, kind) => {
    expect(kinds(item, world)).toContain(kind)
  })

  test('after an update that had cancelled it', () => {
    const update = { ...asked('update', 1_050, 200), eventId: '$update' }
    const updated = { ...event(1_051, '$update'), content: { mark: 'update' } }
    const [before, after] = [event(1_050), event(1_052)]
    const record = { records: new Map([['id of a', { event_id: '$a' }]]) }
    const item = entry(asked('send', 1_049), update)
    expect(kinds(item, seen([before, updated], record))).toEqual([])
    expect(kinds(item, seen([updated, after], record))).toEqual(['untrue'])
  })

  test('out of order at a start', () => {
    const items = ['a', 'b'].map(mark => ({ ...entry(), mark, delayId: `id of ${mark}` }))
    const eventOf = (mark: string) => ({
      ...event(2_000, `$${mark}`),
      content: { mark },
      unsigned: { delay_id: `id of ${mark}` },
    })
    const recordOf = (mark: string, since: number) =>
      [
        `id of ${mark}`,
        { event_id: `$${mark}`, delayed_since_ts: since, delay_ms: delayMs },
      ] as const
    const records = new Map([recordOf('a', 1_000), recordOf('b', 1_001)])
    const lives = [{ startedAt: 0 }, { startedAt: 1_900 }]
    const [a, b] = [eventOf('a'), eventOf('b')]
    expect(breachesIn(items, seen([a, b], { records, lives }))).toEqual([])
    expect(breachesIn(items, seen([b, a], { records, lives }))).toMatchObject([{ kind: 'order' }])
  })
})
