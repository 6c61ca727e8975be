/**
 * "Proper" activity: events of these types bring a room to the top of a list. What is not meant to be
 * read, above all who comes to a call and goes, does not.
 *
 * Spec: MSC4186 `bump_stamp`. Room rows keep the position of the latest: a new type wants a migration.
 */
export const bumpEventTypes: ReadonlySet<string> = new Set([
  'm.room.create',
  'm.room.message',
  'm.room.encrypted',
  'm.sticker',
  'm.call.invite',
  'm.poll.start',
  'org.matrix.msc3381.poll.start',
  'm.beacon_info',
  'org.matrix.msc3672.beacon_info',
])
