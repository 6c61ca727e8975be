/** Spec: Client-Server API "User Directory" */
import { z } from 'zod'
import { endpoint } from '../http/endpoint.ts'
import { optional, text } from '../http/schemas.ts'
import { searchUsers } from '../user-data/user-directory.ts'

export const userDirectoryEndpoints = [
  endpoint({
    method: 'POST',
    path: '/_matrix/client/v3/user_directory/search',
    spec: 'client-server-api/#post_matrixclientv3user_directorysearch',
    auth: 'user',
    body: z.looseObject({ search_term: text.max(1_000), limit: optional(z.int().min(0)) }),
    handle: ({ ctx, requester, body }) =>
      searchUsers(ctx, requester.userId, body.search_term, body.limit ?? 10),
  }),
]
