/** Client-Server API "Content repository": previews of web pages. */
import { z } from 'zod'
import { endpoint } from '../http/endpoint.ts'
import { optional, queryInteger, text } from '../http/schemas.ts'
import { previewUrl } from '../media/url-previews.ts'
import { authenticated, legacy } from './media.ts'

const webAddress = text
  .max(4096)
  .refine(
    url => URL.canParse(url) && /^https?:$/.test(new URL(url).protocol),
    'is not a web address',
  )
  .transform(url => new URL(url))

export const previewEndpoints = [
  endpoint({
    method: 'GET',
    path: [`${authenticated}/preview_url`, `${legacy}/preview_url`],
    spec: 'client-server-api/#get_matrixclientv1mediapreview_url',
    auth: 'user',
    servedIf: config => config.url_previews.enabled,
    // `ts`: "The server may return a newer version".
    query: z.object({ url: webAddress, ts: optional(queryInteger) }),
    handle: ({ ctx, requester, query }) => previewUrl(ctx, requester, query.url),
  }),
]
