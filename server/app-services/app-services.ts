/**
 * The application services that this server was told of, and what is theirs.
 *
 * Spec: Application Service API "Registration", "Server admin style permissions"
 */
import { hashSecret } from '../lib/random.ts'
import { exclusive } from '../matrix/errors.ts'

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

export class AppServices {
  readonly all: readonly AppService[]
  readonly #byTokenHash: ReadonlyMap<string, AppService>

  /** @param registered each with the token that it identifies itself with */
  constructor(registered: readonly { service: AppService; asToken: string }[]) {
    this.all = registered.map(({ service }) => service)
    this.#byTokenHash = new Map(
      registered.map(({ service, asToken }) => [hashSecret(asToken), service]),
    )
  }

  ofToken(token: string): AppService | undefined {
    return this.#byTokenHash.get(hashSecret(token))
  }

  isUserOf(service: AppService, userId: string): boolean {
    return ownsUser(service, userId)
  }

  /**
   * @param asker undefined for anybody but a service
   * @throws 400 M_EXCLUSIVE the id is for another's use alone, or not in the asker's namespaces
   */
  assertMayMakeUser(userId: string, asker: AppService | undefined): void {
    const isTheirs = asker === undefined || ownsUser(asker, userId)
    if (!isTheirs || this.#isClosed('users', userId, asker)) {
      throw exclusive('That user ID belongs to an application service, or is outside of yours')
    }
  }

  /** As {@link assertMayMakeUser}, for making and removing aliases. */
  assertMayManageAlias(alias: string, asker: AppService | undefined): void {
    const isTheirs = asker === undefined || covers(asker.aliases, alias)
    if (!isTheirs || this.#isClosed('aliases', alias, asker)) {
      throw exclusive('That alias belongs to an application service, or is outside of yours')
    }
  }

  #isClosed(kind: 'users' | 'aliases', id: string, asker: AppService | undefined): boolean {
    return this.all.some(
      service =>
        service !== asker &&
        service[kind].some(({ isExclusive, regex }) => isExclusive && regex.test(id)),
    )
  }
}
