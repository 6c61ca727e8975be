/** Client-Server API "Content repository": smaller pictures of pictures. */
import { z } from 'zod'
import { FileAnswer } from '../http/answer.ts'
import { endpoint } from '../http/endpoint.ts'
import { optional, pageSize, queryBoolean } from '../http/schemas.ts'
import { findMedia } from '../media/download.ts'
import { thumbnailOf } from '../media/thumbnails.ts'
import { answerWith, doors, headersOf, mediaParams, mediaQuery } from './media.ts'

/** No screen is larger. A larger thumbnail than that is the picture itself, or nearly. */
const longestSide = 4096
const side = pageSize.transform(length => Math.min(length, longestSide))

const thumbnailQuery = mediaQuery.extend({
  width: side,
  height: side,
  method: optional(z.enum(['crop', 'scale'])),
  animated: optional(queryBoolean),
})

export const thumbnailEndpoints = doors.map(({ base, auth, servedIf }) =>
  endpoint({
    method: 'GET',
    path: `${base}/thumbnail/:serverName/:mediaId`,
    spec: 'client-server-api/#get_matrixclientv1mediathumbnailservernamemediaid',
    auth,
    servedIf,
    params: mediaParams,
    query: thumbnailQuery,
    async handle({ ctx, params, query, signal }) {
      const media = await findMedia(ctx, { ...params, timeoutMs: query.timeout_ms }, signal)
      const thumbnail = await thumbnailOf(ctx, media, {
        width: query.width,
        height: query.height,
        isCropped: query.method === 'crop',
        isAnimated: query.animated ?? false,
      })
      if (!thumbnail) return answerWith(ctx, media)
      const { path, contentType } = thumbnail
      const name = `thumbnail.${contentType.replace('image/', '')}`
      return new FileAnswer(ctx.mediaFiles.folder, path, headersOf(contentType, name))
    },
  }),
)
