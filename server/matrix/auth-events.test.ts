import { authEventKeys } from './auth-events.ts'
import type { AuthEvent } from './event.ts'
import { alice, allVersions, bob, carol, create, member, message, version } from './test-events.ts'

/** The keys as text, in any order. */
const cited = (event: AuthEvent, id: string) =>
  authEventKeys(event, version(id))
    .map(([type, stateKey]) => `${type.replace('m.room.', '')}|${stateKey}`)
    .sort()

const asked = { third_party_invite: { signed: { mxid: bob, token: 'tok' } } }
const vouched = { join_authorised_via_users_server: carol }
const base = ['create|', 'power_levels|']

describe('Auth events selection', () => {
  test.each(allVersions)('v%s: the create event cites nothing', id => {
    expect(authEventKeys(create(id), version(id))).toEqual([])
  })

  // biome-ignore format: a table, one case a line
  test.each<[string, string, AuthEvent, string[]]>([
    ['a message', '11', message(alice), [...base, `member|${alice}`]],
    ['v12: not the create event', '12', message(alice), ['power_levels|', `member|${alice}`]],
    ['a leave: the target', '11', member(bob, 'leave', alice), [...base, `member|${alice}`, `member|${bob}`]],
    ['a join: the join rules; oneself once', '11', member(bob, 'join'), [...base, 'join_rules|', `member|${bob}`]],
    ['an invite: the join rules', '11', member(bob, 'invite', alice), [...base, 'join_rules|', `member|${alice}`, `member|${bob}`]],
    ['v7: a knock: the join rules', '7', member(bob, 'knock'), [...base, 'join_rules|', `member|${bob}`]],
    ['v6: there are no knocks', '6', member(bob, 'knock'), [...base, `member|${bob}`]],
    ['a third-party invite', '11', member(bob, 'invite', alice, asked), [...base, 'join_rules|', 'third_party_invite|tok', `member|${alice}`, `member|${bob}`]],
    ['a join with third_party_invite: not cited', '11', member(bob, 'join', bob, asked), [...base, 'join_rules|', `member|${bob}`]],
    ['a third-party invite without a token', '11', member(bob, 'invite', alice, { third_party_invite: { signed: {} } }), [...base, 'join_rules|', `member|${alice}`, `member|${bob}`]],
    ['v8: a restricted join: the authoriser', '8', member(bob, 'join', bob, vouched), [...base, 'join_rules|', `member|${bob}`, `member|${carol}`]],
    ['v7: there are no restricted joins', '7', member(bob, 'join', bob, vouched), [...base, 'join_rules|', `member|${bob}`]],
    ['only memberships cite a target', '11', { ...message(alice, asked), state_key: bob }, [...base, `member|${alice}`]],
  ])('%s', (_rule, id, event, expected) => {
    expect(cited(event, id)).toEqual(expected.sort())
  })
})
