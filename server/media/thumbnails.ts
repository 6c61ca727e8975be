/**
 * Smaller pictures of pictures. Any size that is asked for is made, and kept as a file named after
 * the size; of one picture only so many, because anybody may ask for any.
 *
 * Spec: Client-Server API "Thumbnails"
 */
import { mkdir, readdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { InFlight } from '../lib/in-flight.ts'
import type { Context } from './context.ts'
import type { Media } from './download.ts'
import { fileOf, thumbnailsOf } from './files.ts'
import { isLarger, type Shape } from './images.ts'

/** So many sizes are kept of a picture; with one more, the oldest goes. */
const maxKept = 32

const making = new InFlight<Thumbnail | undefined>()

export interface Thumbnail {
  /** Relative to the folder of the files. */
  path: string
  contentType: string
}

/**
 * Find or make a thumbnail.
 *
 * The specification says that one must not be smaller than what is asked for, and also that "scale"
 * tries to fit into it. We take its summary: never smaller where the picture allows it.
 *
 * @returns undefined if the picture is no larger than that: then it is its own thumbnail
 * @throws 400 M_UNKNOWN not a picture that can be read · 413 M_TOO_LARGE too many pixels
 */
export async function thumbnailOf(
  ctx: Context,
  media: Media,
  shape: Shape,
): Promise<Thumbnail | undefined> {
  const { width, height, isCropped, isAnimated } = shape
  const folder = thumbnailsOf(media.mediaId)
  const name = `${width}x${height}-${isCropped ? 'crop' : 'scale'}${isAnimated ? '-animated' : ''}`
  const key = join(folder, name)
  return making.run(join(ctx.mediaFiles.folder, key), async () => {
    const found = await find(ctx, folder, name)
    return found ?? make(ctx, media, shape, key)
  })
}

async function find(ctx: Context, folder: string, name: string): Promise<Thumbnail | undefined> {
  const files = await readdir(join(ctx.mediaFiles.folder, folder)).catch(() => [])
  const file = files.find(one => one.startsWith(`${name}.`))
  if (file === undefined) return undefined
  return { path: join(folder, file), contentType: `image/${file.slice(name.length + 1)}` }
}

async function make(
  ctx: Context,
  media: Media,
  wanted: Shape,
  key: string,
): Promise<Thumbnail | undefined> {
  const { mediaFiles, images } = ctx
  const file = join(mediaFiles.folder, fileOf(media.mediaId))
  const picture = await images.look(file)
  // Many frames cannot be turned: of an animation that lies on its side, the first is shown upright.
  const isAnimated = wanted.isAnimated && picture.frames > 1 && !picture.isTurned
  // A still of an animation is made even if it is small: it "MUST NOT" move if that is not wanted.
  const mustStop = picture.frames > 1 && !isAnimated
  if (!isLarger(picture, wanted) && !mustStop) return undefined
  const path = await mediaFiles.newPath()
  try {
    const contentType = await images.shrink(file, picture, { ...wanted, isAnimated }, path)
    const place = `${key}.${contentType.replace('image/', '')}`
    await makeRoom(join(mediaFiles.folder, thumbnailsOf(media.mediaId)))
    await mediaFiles.keep({ path }, place)
    return { path: place, contentType }
  } finally {
    await mediaFiles.discard({ path })
  }
}

/** Not all at once: what has just been made is on its way to who wanted it. */
async function makeRoom(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true })
  const paths = (await readdir(folder)).map(name => join(folder, name))
  if (paths.length < maxKept) return
  const times = await Promise.all(paths.map(madeAt))
  const byAge = paths.map((path, i) => ({ path, at: times[i] ?? 0 })).sort((a, b) => a.at - b.at)
  const oldest = byAge.slice(0, paths.length - maxKept + 1)
  await Promise.all(oldest.map(({ path }) => rm(path, { force: true })))
}

/** 0 if it is gone already. */
const madeAt = (path: string) =>
  stat(path).then(
    ({ mtimeMs }) => mtimeMs,
    () => 0,
  )
