/** Client-Server API "Content repository": uploading and downloading. */
import { z } from 'zod'
import type { Config } from '../config.ts'
import type { Context } from '../context.ts'
import { FileAnswer } from '../http/answer.ts'
import { bytesOf } from '../http/body.ts'
import type { Call } from '../http/call.ts'
import { endpoint } from '../http/endpoint.ts'
import { optional, queryBoolean, queryInteger, shortText, text } from '../http/schemas.ts'
import { isServerName } from '../matrix/ids.ts'
import { contentDisposition } from '../media/content-disposition.ts'
import { findMedia, type Media } from '../media/download.ts'
import { fileOf } from '../media/files.ts'
import { createPending, upload, uploadTo } from '../media/upload.ts'

export const authenticated = '/_matrix/client/v1/media'
export const legacy = '/_matrix/media/v3'

/** Where files can be had, who may come in there, and whether it is open at all. */
export const doors = [
  { base: authenticated, auth: 'user', servedIf: () => true },
  // As it was before Matrix 1.11.
  { base: legacy, auth: 'none', servedIf: (config: Config) => config.media.legacy_downloads },
] as const

export const mediaParams = z.object({
  serverName: shortText.refine(isServerName, 'is not a server name'),
  // "allowing only alphanumeric, _ and - characters": no way up, and no way out.
  mediaId: shortText.regex(/^[0-9A-Za-z_-]+$/, 'is not a media ID'),
})
const namedParams = mediaParams.extend({ fileName: shortText.min(1) })

/** What says how far to go for another server's files is read, and there are none. */
export const mediaQuery = z.object({
  timeout_ms: optional(queryInteger),
  allow_remote: optional(queryBoolean),
  allow_redirect: optional(queryBoolean),
})

const uploadQuery = z.object({ filename: optional(text.max(1024)) })

const uriOf = (ctx: Context, mediaId: string) => `mxc://${ctx.config.server_name}/${mediaId}`

/** @throws 413 M_TOO_LARGE if its length is told beforehand; otherwise that is seen as it comes */
function uploadOf({
  ctx,
  request,
}: Pick<Call<'user', unknown, unknown, unknown>, 'ctx' | 'request'>) {
  const contentType = request.headers['content-type'] ?? 'application/octet-stream'
  return {
    bytes: bytesOf(request, ctx.config.media.max_upload_bytes),
    // As in names: a client that reads headers as text, such as ruma, could not have the file.
    contentType: contentType.replace(/[^\t\x20-\x7e]/g, '_'),
  }
}

/** The headers of whatever was uploaded: nothing of it may run in a browser. */
export function headersOf(contentType: string, fileName: string | undefined) {
  return {
    'Content-Type': contentType,
    'Content-Disposition': contentDisposition(contentType, fileName),
    'Content-Security-Policy':
      "sandbox; default-src 'none'; script-src 'none'; plugin-types application/pdf; " +
      "style-src 'unsafe-inline'; object-src 'self';",
    'Cross-Origin-Resource-Policy': 'cross-origin',
    'X-Content-Type-Options': 'nosniff',
    // What an id stands for never changes.
    'Cache-Control': 'private, max-age=86400, immutable',
  }
}

/** @param fileName instead of its own */
export function answerWith(ctx: Context, media: Media, fileName = media.fileName): FileAnswer {
  const { folder } = ctx.mediaFiles
  return new FileAnswer(folder, fileOf(media.mediaId), headersOf(media.contentType, fileName))
}

export const mediaEndpoints = [
  endpoint({
    method: 'GET',
    path: [`${authenticated}/config`, `${legacy}/config`],
    spec: 'client-server-api/#get_matrixclientv1mediaconfig',
    auth: 'user',
    handle: ({ ctx }) => ({ 'm.upload.size': ctx.config.media.max_upload_bytes }),
  }),
  endpoint({
    method: 'POST',
    path: `${legacy}/upload`,
    spec: 'client-server-api/#post_matrixmediav3upload',
    auth: 'user',
    query: uploadQuery,
    async handle({ ctx, requester, query, request }) {
      const given = { ...uploadOf({ ctx, request }), fileName: query.filename }
      return { content_uri: uriOf(ctx, await upload(ctx, requester, given)) }
    },
  }),
  endpoint({
    method: 'POST',
    path: '/_matrix/media/v1/create',
    spec: 'client-server-api/#post_matrixmediav1create',
    auth: 'user',
    async handle({ ctx, requester }) {
      const { mediaId, expiresTs } = await createPending(ctx, requester)
      return { content_uri: uriOf(ctx, mediaId), unused_expires_at: expiresTs }
    },
  }),
  endpoint({
    method: 'PUT',
    path: `${legacy}/upload/:serverName/:mediaId`,
    spec: 'client-server-api/#put_matrixmediav3uploadservernamemediaid',
    auth: 'user',
    params: mediaParams,
    query: uploadQuery,
    async handle({ ctx, requester, params, query, request }) {
      const given = { ...uploadOf({ ctx, request }), fileName: query.filename }
      await uploadTo(ctx, requester, params, given)
      return {}
    },
  }),
  ...doors.flatMap(({ base, auth, servedIf }) => [
    endpoint({
      method: 'GET',
      path: `${base}/download/:serverName/:mediaId`,
      spec: 'client-server-api/#get_matrixclientv1mediadownloadservernamemediaid',
      auth,
      servedIf,
      params: mediaParams,
      query: mediaQuery,
      async handle({ ctx, params, query, signal }) {
        const wanted = { ...params, timeoutMs: query.timeout_ms }
        return answerWith(ctx, await findMedia(ctx, wanted, signal))
      },
    }),
    endpoint({
      method: 'GET',
      path: `${base}/download/:serverName/:mediaId/:fileName`,
      spec: 'client-server-api/#get_matrixclientv1mediadownloadservernamemediaidfilename',
      auth,
      servedIf,
      params: namedParams,
      query: mediaQuery,
      async handle({ ctx, params, query, signal }) {
        const wanted = { ...params, timeoutMs: query.timeout_ms }
        return answerWith(ctx, await findMedia(ctx, wanted, signal), params.fileName)
      },
    }),
  ]),
]
