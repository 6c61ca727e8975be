/**
 * Every migration, by hand and in order. None that has been released is edited, but in one way: an
 * index that a later one drops, IF EXISTS, or a setting that it takes back, need not be made any more, for
 * those who begin now.
 */
import type { Kysely } from 'kysely'
import { accounts } from './0001_accounts.ts'
import { rooms } from './0002_rooms.ts'
import { delayedEvents } from './0003_delayed_events.ts'
import { userData } from './0004_user_data.ts'
import { lists } from './0010_lists.ts'
import { futures } from './0011_futures.ts'
import { rateLimits } from './0012_rate_limits.ts'
import { encryption } from './0013_encryption.ts'
import { profilesReceiptsPush } from './0014_profiles_receipts_push.ts'
import { sessions } from './0015_sessions.ts'
import { reading } from './0016_reading.ts'
import { roomDirectory } from './0018_room_directory.ts'
import { media } from './0019_media.ts'
import { ephemeral } from './0020_ephemeral.ts'
import { administration } from './0021_administration.ts'
import { restarts } from './0024_restarts.ts'
import { searching } from './0027_searching.ts'
import { stateVersion } from './0030_state_version.ts'
import { housekeeping } from './0031_housekeeping.ts'
import { stateAsItWas } from './0032_state_as_it_was.ts'
import { countsForPlans } from './0033_counts_for_plans.ts'
import { noStatistics } from './0034_no_statistics.ts'
import { bumpPosition } from './0035_bump_position.ts'
import { namesInUse } from './0036_names_in_use.ts'
import { changesByRequest } from './0037_changes_by_request.ts'
import { stickyEvents } from './0038_sticky_events.ts'
import { erasedUsers } from './0039_erased_users.ts'
import { latestKeyChanges } from './0040_latest_key_changes.ts'
import { accountModeration } from './0041_account_moderation.ts'
import { finalisedPositions } from './0042_finalised_positions.ts'

export const migrations: Record<string, (q: Kysely<unknown>) => Promise<void>> = {
  '0001_accounts': accounts,
  '0002_rooms': rooms,
  '0003_delayed_events': delayedEvents,
  '0004_user_data': userData,
  '0010_lists': lists,
  '0011_futures': futures,
  '0012_rate_limits': rateLimits,
  '0013_encryption': encryption,
  '0014_profiles_receipts_push': profilesReceiptsPush,
  '0015_sessions': sessions,
  '0016_reading': reading,
  '0018_room_directory': roomDirectory,
  '0019_media': media,
  '0020_ephemeral': ephemeral,
  '0021_administration': administration,
  '0024_restarts': restarts,
  '0027_searching': searching,
  '0030_state_version': stateVersion,
  '0031_housekeeping': housekeeping,
  '0032_state_as_it_was': stateAsItWas,
  '0033_counts_for_plans': countsForPlans,
  '0034_no_statistics': noStatistics,
  '0035_bump_position': bumpPosition,
  '0036_names_in_use': namesInUse,
  '0037_changes_by_request': changesByRequest,
  '0038_sticky_events': stickyEvents,
  '0039_erased_users': erasedUsers,
  '0040_latest_key_changes': latestKeyChanges,
  '0041_account_moderation': accountModeration,
  '0042_finalised_positions': finalisedPositions,
}
