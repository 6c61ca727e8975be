/**
 * The application services that this server was told of, and what is theirs.
 *
 * Spec: Application Service API "Registration", "Server admin style permissions"
 */
import { hashSecret } from '../lib/random.ts'
import { type AppService, covers, ownsUser } from '../matrix/app-service.ts'
import { exclusive } from '../matrix/errors.ts'

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
