/**
 * Stripped state: what someone who is invited, or knocks, may see of a room that they are not in.
 *
 * Spec: Client-Server API "Stripped state".
 */
import type { AuthEvent, StrippedState } from './event.ts'

/**
 * The types to show, all with the empty state key. The caller adds the memberships of the person
 * concerned and of the one who invited them.
 */
export const strippedStateTypes: readonly string[] = [
  'm.room.create',
  'm.room.name',
  'm.room.avatar',
  'm.room.topic',
  'm.room.join_rules',
  'm.room.canonical_alias',
  'm.room.encryption',
]

/** The stripped form of a state event: these four members and, as the spec has it, no other. */
export function toStripped(
  event: Pick<AuthEvent, 'type' | 'sender' | 'state_key' | 'content'>,
): StrippedState {
  const { type, sender, state_key = '', content } = event
  return { type, state_key, sender, content }
}
