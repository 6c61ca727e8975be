/**
 * Tokens: positions as clients hold them. They belong to nobody, never expire, and can be used
 * again and again.
 *
 * `s12`: everything up to position 12, inclusive; `next_batch` of `/sync`. `t7_12`: the place in a
 * timeline just after position 7, as it was seen by somebody who had synced up to 12; `prev_batch`
 * of `/sync`, `start` and `end` of `/messages`. `p3_12`: `s12` as a connection of sliding sync holds
 * it, the third that was given out. Any can be given wherever a token is asked for.
 */
import { invalidParam } from '../matrix/errors.ts'

export interface Token {
  /** A place on the stream: between this position and the next. */
  position: number
  /** What had happened when the token was made. */
  snapshot: number
}

export const formatSyncToken = (position: number) => `s${position}`

export const formatConnectionToken = (count: number, position: number) => `p${count}_${position}`

export const formatTimelineToken = (position: number, snapshot: number) =>
  `t${position}_${snapshot}`

/**
 * @param latest the last position handed out: no token can speak of what comes after it
 * @throws 400 M_INVALID_PARAM this server cannot have given it out
 */
export function parseToken(token: string, latest: number): Token {
  const match = /^(?:(?:s|p\d{1,15}_)(\d{1,15})|t(\d{1,15})_(\d{1,15}))$/.exec(token)
  const position = Number(match?.[1] ?? match?.[2])
  const snapshot = Number(match?.[1] ?? match?.[3])
  if (!match || position > latest || snapshot > latest) {
    throw invalidParam('That is not a token of this server')
  }
  return { position, snapshot }
}
