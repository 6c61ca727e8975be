/** The table of contents: every endpoint, in the order of the specification. */
import type { Endpoint } from '../http/endpoint.ts'
import { accountEndpoints } from './account.ts'
import { accountDataEndpoints } from './account-data.ts'
import { adminDelayedEventEndpoints } from './admin/delayed-events.ts'
import { moderationEndpoints } from './admin/moderation.ts'
import { adminRoomEndpoints } from './admin/rooms.ts'
import { adminNoticeEndpoints } from './admin/server-notices.ts'
import { sharedSecretEndpoints } from './admin/shared-secret.ts'
import { adminUserEndpoints } from './admin/users.ts'
import { appServiceEndpoints } from './app-services.ts'
import { crossSigningEndpoints } from './cross-signing.ts'
import { dehydratedDeviceEndpoints } from './dehydrated-devices.ts'
import { expiringEventsEndpoints } from './delayed-events/expiring-events.ts'
import { futuresListEndpoints } from './delayed-events/futures-lists.ts'
import { futuresManagingEndpoints } from './delayed-events/futures-managing.ts'
import { futuresSchedulingEndpoints } from './delayed-events/futures-scheduling.ts'
import { delayedEventsListsEndpoints } from './delayed-events/lists.ts'
import { delayedEventsEndpoints } from './delayed-events/stable.ts'
import { delayedEventsUnstableEndpoints } from './delayed-events/unstable.ts'
import { deviceEndpoints } from './devices.ts'
import { discoveryEndpoints } from './discovery.ts'
import { filterEndpoints } from './filters.ts'
import { keyBackupEndpoints } from './key-backup.ts'
import { keyEndpoints } from './keys.ts'
import { loginEndpoints } from './login.ts'
import { mediaEndpoints } from './media.ts'
import { previewEndpoints } from './media-previews.ts'
import { thumbnailEndpoints } from './media-thumbnails.ts'
import { mutualRoomsEndpoints } from './mutual-rooms.ts'
import { openIdEndpoints } from './openid.ts'
import { presenceEndpoints } from './presence.ts'
import { profileEndpoints } from './profile.ts'
import { pushEndpoints } from './push.ts'
import { pushRuleEndpoints } from './push-rules.ts'
import { receiptEndpoints } from './receipts.ts'
import { registerEndpoints } from './register.ts'
import { relationsEndpoints } from './relations.ts'
import { reportEndpoints } from './reports.ts'
import { roomCreateEndpoints } from './room-create.ts'
import { roomDirectoryEndpoints } from './room-directory.ts'
import { roomMembershipEndpoints } from './room-membership.ts'
import { roomPreviewEndpoints } from './room-previews.ts'
import { roomReadEndpoints } from './room-read.ts'
import { roomSendEndpoints } from './room-send.ts'
import { roomSummaryEndpoints } from './room-summary.ts'
import { roomUpgradeEndpoints } from './room-upgrade.ts'
import { searchEndpoints } from './search.ts'
import { serverKeyEndpoints } from './server-keys.ts'
import { slidingSyncEndpoints } from './sliding-sync.ts'
import { spaceEndpoints } from './spaces.ts'
import { syncEndpoints } from './sync.ts'
import { tagEndpoints } from './tags.ts'
import { thirdPartyEndpoints } from './third-party-networks.ts'
import { threadSubscriptionsEndpoints } from './thread-subscriptions.ts'
import { toDeviceEndpoints } from './to-device.ts'
import { userDirectoryEndpoints } from './user-directory.ts'
import { voipEndpoints } from './voip.ts'
import { whoisEndpoints } from './whois.ts'

export const endpoints: readonly Endpoint[] = [
  ...discoveryEndpoints,
  ...loginEndpoints,
  ...registerEndpoints,
  ...accountEndpoints,
  ...filterEndpoints,
  ...syncEndpoints,
  ...slidingSyncEndpoints,
  ...roomReadEndpoints,
  ...roomPreviewEndpoints,
  ...relationsEndpoints,
  ...threadSubscriptionsEndpoints,
  ...searchEndpoints,
  ...roomSendEndpoints,
  // Before the ids, of which the names of the lists are never one.
  ...delayedEventsListsEndpoints,
  ...delayedEventsEndpoints,
  ...delayedEventsUnstableEndpoints,
  ...expiringEventsEndpoints,
  ...futuresSchedulingEndpoints,
  ...futuresManagingEndpoints,
  ...futuresListEndpoints,
  ...roomCreateEndpoints,
  ...roomUpgradeEndpoints,
  ...roomDirectoryEndpoints,
  ...roomSummaryEndpoints,
  ...spaceEndpoints,
  ...roomMembershipEndpoints,
  ...mutualRoomsEndpoints,
  ...profileEndpoints,
  ...userDirectoryEndpoints,
  ...receiptEndpoints,
  ...reportEndpoints,
  ...presenceEndpoints,
  ...toDeviceEndpoints,
  ...deviceEndpoints,
  ...keyEndpoints,
  ...crossSigningEndpoints,
  ...keyBackupEndpoints,
  ...dehydratedDeviceEndpoints,
  ...accountDataEndpoints,
  ...tagEndpoints,
  ...mediaEndpoints,
  ...thumbnailEndpoints,
  ...previewEndpoints,
  ...pushEndpoints,
  ...pushRuleEndpoints,
  ...openIdEndpoints,
  ...voipEndpoints,
  ...thirdPartyEndpoints,
  ...serverKeyEndpoints,
  ...appServiceEndpoints,
  ...whoisEndpoints,
  ...moderationEndpoints,
  ...sharedSecretEndpoints,
  ...adminUserEndpoints,
  ...adminRoomEndpoints,
  ...adminNoticeEndpoints,
  ...adminDelayedEventEndpoints,
]
