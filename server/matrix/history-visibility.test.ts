import { mayReadEvent, type Sight } from './history-visibility.ts'

describe('Room History Visibility: an ordinary event', () => {
  const memberships = ['join', 'invite', 'leave', 'ban', 'knock', undefined]
  /** Who may read, of the memberships above: without and with a later join. */
  // biome-ignore format: a table, one case a line
  test.each<[string | undefined, boolean[], boolean[]]>([
    ['world_readable', [true, true, true, true, true, true], [true, true, true, true, true, true]],
    ['shared', [true, false, false, false, false, false], [true, true, true, true, true, true]],
    ['invited', [true, true, false, false, false, false], [true, true, false, false, false, false]],
    ['joined', [true, false, false, false, false, false], [true, false, false, false, false, false]],
    [undefined, [true, false, false, false, false, false], [true, true, true, true, true, true]],
    ['org.example', [true, false, false, false, false, false], [true, true, true, true, true, true]],
  ])('%s', (visibility, now, later) => {
    const seenBy = (joinedLater: boolean) =>
      memberships.map(membership => mayReadEvent({ visibility, membership, joinedLater }))
    expect(seenBy(false)).toEqual(now)
    expect(seenBy(true)).toEqual(later)
  })
})

describe('Room History Visibility: what changes with the event itself', () => {
  const outside: Sight = { visibility: 'joined', membership: 'leave', joinedLater: false }
  // biome-ignore format: a table, one case a line
  test.each<[string, Partial<Sight>, boolean]>([
    ['joined → world_readable', { visibilityAfterEvent: 'world_readable' }, true],
    ['world_readable → joined', { visibility: 'world_readable', visibilityAfterEvent: 'joined' }, true],
    ['joined → invited', { visibilityAfterEvent: 'invited' }, false],
    ['joined → invited, for one invited', { visibilityAfterEvent: 'invited', membership: 'invite' }, true],
    ['joined → shared, with a later join', { visibilityAfterEvent: 'shared', joinedLater: true }, true],
    ['joined → shared, without', { visibilityAfterEvent: 'shared' }, false],
    ['joined → joined, with a later join', { visibilityAfterEvent: 'joined', joinedLater: true }, false],
    ['one’s own join', { membershipAfterEvent: 'join' }, true],
    ['one’s own leave', { membership: 'join', membershipAfterEvent: 'leave' }, true],
    ['one’s own ban', { membership: 'join', membershipAfterEvent: 'ban' }, true],
    ['one’s own invite, where that is not enough', { membershipAfterEvent: 'invite' }, false],
    ['one’s own invite, where it is', { visibility: 'invited', membershipAfterEvent: 'invite' }, true],
    ['an invite refused', { visibility: 'invited', membership: 'invite', membershipAfterEvent: 'leave' }, true],
    ['somebody else’s', {}, false],
  ])('%s', (_rule, change, expected) => {
    expect(mayReadEvent({ ...outside, ...change })).toBe(expected)
  })
})
