/**
 * Room versions as one table: version → flags. Nothing else in the server compares version numbers.
 *
 * Spec: "Room Versions", /rooms/v1 … /rooms/v12; MSC3757.
 */

export interface RoomVersion {
  /** As it stands in `m.room.create`. */
  id: string
  /** Of the specification, and not of a proposal. */
  isStable: boolean
  /** v1, v2: ids are chosen by the server (`$opaque:domain`); later ones are the reference hash. */
  eventIdFormat: 'opaque' | 'base64' | 'base64url'
  /** v1 to v5 accept any JSON number; v6 on demands canonical JSON. */
  strictCanonicalJson: boolean
  /** v1 to v5: `m.room.aliases` has an authorisation rule and is protected from redaction. */
  specialCasesAliases: boolean
  /** v6 on: who may change `notifications` in the power levels is checked. */
  limitsNotificationsPowerLevels: boolean
  /** v1, v2: the authorisation rule for redactions; from v3 they are applied on receipt. */
  authorisesRedactions: boolean
  /** v7 on. */
  allowsKnocking: boolean
  /** v8 on. */
  allowsRestrictedJoin: boolean
  /** v10 on. */
  allowsKnockRestricted: boolean
  /** v10 on: power levels must be integers, not strings. */
  integerPowerLevels: boolean
  /** v9 on: `join_authorised_via_users_server` survives redaction of a membership. */
  redactionKeepsAuthorisedVia: boolean
  /** v8 on: `allow` of the join rules survives redaction. */
  redactionKeepsAllow: boolean
  /** v11 on: the redaction rules of MSC2174, 2175, 2176 and 3821. */
  updatedRedactionRules: boolean
  /** v1 to v10: `content.creator` of the create event names the creator; later it is the sender. */
  creatorInContent: boolean
  /** v12 on: creators outrank everyone and may not stand in the power levels (MSC4289). */
  privilegedCreators: boolean
  /** v12 on: the room id is the hash of the create event (MSC4291). */
  roomIdIsCreateHash: boolean
  /** MSC3757: state keys may begin with their owner's id, whom only users above them overrule. */
  ownedState: boolean
}

const v1: RoomVersion = {
  id: '1',
  isStable: true,
  eventIdFormat: 'opaque',
  strictCanonicalJson: false,
  specialCasesAliases: true,
  limitsNotificationsPowerLevels: false,
  authorisesRedactions: true,
  allowsKnocking: false,
  allowsRestrictedJoin: false,
  allowsKnockRestricted: false,
  integerPowerLevels: false,
  redactionKeepsAuthorisedVia: false,
  redactionKeepsAllow: false,
  updatedRedactionRules: false,
  creatorInContent: true,
  privilegedCreators: false,
  roomIdIsCreateHash: false,
  ownedState: false,
}
const v2: RoomVersion = { ...v1, id: '2' }
const v3: RoomVersion = { ...v2, id: '3', eventIdFormat: 'base64', authorisesRedactions: false }
const v4: RoomVersion = { ...v3, id: '4', eventIdFormat: 'base64url' }
const v5: RoomVersion = { ...v4, id: '5' }
const v6: RoomVersion = {
  ...v5,
  id: '6',
  strictCanonicalJson: true,
  specialCasesAliases: false,
  limitsNotificationsPowerLevels: true,
}
const v7: RoomVersion = { ...v6, id: '7', allowsKnocking: true }
const v8: RoomVersion = { ...v7, id: '8', allowsRestrictedJoin: true, redactionKeepsAllow: true }
const v9: RoomVersion = { ...v8, id: '9', redactionKeepsAuthorisedVia: true }
const v10: RoomVersion = {
  ...v9,
  id: '10',
  allowsKnockRestricted: true,
  integerPowerLevels: true,
}
const v11: RoomVersion = {
  ...v10,
  id: '11',
  updatedRedactionRules: true,
  creatorInContent: false,
}
const v12: RoomVersion = {
  ...v11,
  id: '12',
  privilegedCreators: true,
  roomIdIsCreateHash: true,
}

const msc3757 = { isStable: false, ownedState: true }
const owned10: RoomVersion = { ...v10, ...msc3757, id: 'org.matrix.msc3757.10' }
const owned11: RoomVersion = { ...v11, ...msc3757, id: 'org.matrix.msc3757.11' }

const all = [v1, v2, v3, v4, v5, v6, v7, v8, v9, v10, v11, v12, owned10, owned11]

/** Every room version that can be created here, by id. */
export const roomVersions: ReadonlyMap<string, RoomVersion> = new Map(
  all.map(version => [version.id, version]),
)
