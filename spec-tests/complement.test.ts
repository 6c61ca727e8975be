/**
 * Complement's tier 1, ticked off: the functions that a server without federation has to pass for
 * its core, and that each of them is the name of some test here.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const tier1: Record<string, string[]> = {
  'auth and account': [
    'TestChangePassword',
    'TestDeactivateAccount',
    'TestCanRegisterAdmin',
    'TestLogin',
    'TestLogout',
    'TestRegistration',
    'TestServerCapabilities',
    'TestVersionStructure',
  ],
  'protocol hygiene': ['TestRequestEncodingFails', 'TestJson', 'TestEvent', 'TestUnknownEndpoints'],
  'rooms, state, membership, power levels': [
    'TestRoomCreate',
    'TestRoomForget',
    'TestRoomMembers',
    'TestRoomState',
    'TestDemotingUsersViaUsersDefault',
    'TestPowerLevels',
    'TestNotPresentUserCannotBanOthers',
    'TestCannotKickNonPresentUser',
    'TestCannotKickLeftUser',
    'TestRoomsInvite',
    'TestRoomCreationReportsEventsToMyself',
    'TestWithoutOwnedState',
    'TestGetRoomMembers',
    'TestGetRoomMembersAtPoint',
    'TestGetFilteredRoomMembers',
  ],
  'messages and history visibility': [
    'TestFetchEvent',
    'TestFetchHistoricalJoinedEventDenied',
    'TestFetchHistoricalSharedEvent',
    'TestFetchHistoricalInvitedEventFromBetweenInvite',
    'TestFetchHistoricalInvitedEventFromBeforeInvite',
    'TestFetchEventNonWorldReadable',
    'TestFetchEventWorldReadable',
    'TestLeftRoomFixture',
    'TestSendAndFetchMessage',
    'TestFetchMessagesFromNonExistentRoom',
    'TestSendMessageWithTxn',
    'TestRoomMessagesLazyLoading',
    'TestRoomMessagesLazyLoadingLocalUser',
  ],
  '/sync': [
    'TestSyncLeaveSection',
    'TestGappedSyncLeaveSection',
    'TestArchivedRoomsHistory',
    'TestOlderLeftRoomsNotInLeaveSection',
    'TestLeaveEventVisibility',
    'TestLeaveEventInviteRejection',
    'TestSyncFilter',
    'TestCumulativeJoinLeaveJoinSync',
    'TestTentativeEventualJoiningAfterRejecting',
    'TestSync',
    'TestRoomSummary',
  ],
  'transaction ids and refresh tokens': [
    'TestTxnInEvent',
    'TestTxnScopeOnLocalEcho',
    'TestTxnIdempotencyScopedToDevice',
    'TestTxnIdempotency',
    'TestTxnIdWithRefreshToken',
  ],
  'delayed events (MSC4140)': ['TestDelayedEvents'],
}

const folder = fileURLToPath(new URL('.', import.meta.url))
const titles = readdirSync(folder, { recursive: true, encoding: 'utf8' })
  .filter(file => file.endsWith('.test.ts') && file !== 'complement.test.ts')
  .flatMap(file => {
    const source = readFileSync(join(folder, file), 'utf8')
    return [...source.matchAll(/\b(?:describe|test)(?:\.each\([^)]*\))?\(\s*(['"`])(.*?)\1/g)]
  })
  .map(match => match[2] ?? '')

describe.each(Object.entries(tier1))('%s', (_group, functions) => {
  test.each(functions)('%s is the name of a test', name => {
    const named = titles.filter(title => new RegExp(`\\b${name}\\b`).test(title))
    expect(named).not.toEqual([])
  })
})
