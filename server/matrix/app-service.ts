/**
 * An application service, and what is its own.
 *
 * Spec: Application Service API "Registration"
 */

/** Ids that a service is interested in; an exclusive one is closed to everybody else. */
export interface Namespace {
  /** Holds from the beginning of the id, as Synapse reads it; not necessarily to its end. */
  regex: RegExp
  isExclusive: boolean
}

export interface AppService {
  id: string
  /** Without a slash at the end. Undefined: it wants to hear of nothing. */
  url: string | undefined
  /** We say it to the service. */
  hsToken: string
  /** The service's own user. */
  senderUserId: string
  isRateLimited: boolean
  /** Under which key it is told of what happens in passing; undefined: not at all. */
  ephemeralKey: 'ephemeral' | 'de.sorunome.msc2409.ephemeral' | undefined
  /** Networks that it leads to, by the names of their protocols. */
  protocols: readonly string[]
  users: readonly Namespace[]
  aliases: readonly Namespace[]
  rooms: readonly Namespace[]
}

/** @param id of a user, an alias or a room */
export function covers(namespaces: readonly Namespace[], id: string): boolean {
  return namespaces.some(({ regex }) => regex.test(id))
}

/** True for the service's own user, and for those in its namespaces. */
export function ownsUser(service: AppService, userId: string): boolean {
  return userId === service.senderUserId || covers(service.users, userId)
}
