/** What administrators act with: all that the floors below are given. */
import type { Context as AccountsContext } from '../accounts/context.ts'
import type { Context as UserDataContext } from '../user-data/context.ts'

export interface Context extends AccountsContext, UserDataContext {
  readonly typing: UserDataContext['typing']
  readonly appServices: AccountsContext['appServices']
}
