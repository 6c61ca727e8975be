/** Finding users. Spec: Client-Server API "User Directory" */
import { selectUsersByWords } from '../../db/profiles.ts'
import type { JsonObject } from '../lib/json.ts'
import type { Context } from './context.ts'

/** More words than this narrow nothing down. */
const mostWords = 10
const mostResults = 100

/**
 * Users whose name or id has all the words, among those whom the searcher shares a room with and
 * those who are in a room that anybody may join or read.
 *
 * Spec: POST /user_directory/search
 */
export async function searchUsers(
  ctx: Context,
  searcherId: string,
  searchTerm: string,
  limit: number,
): Promise<JsonObject> {
  const words = searchTerm.split(/\s+/).filter(Boolean).slice(0, mostWords)
  const most = Math.min(limit, mostResults)
  const found =
    words.length === 0 ? [] : await selectUsersByWords(ctx.db, searcherId, words, most + 1)
  return {
    limited: found.length > most,
    results: found.slice(0, most).map(user => ({
      user_id: user.user_id,
      ...(user.displayname === null ? {} : { display_name: user.displayname }),
      ...(user.avatar_url === null ? {} : { avatar_url: user.avatar_url }),
    })),
  }
}
