/**
 * Pictures: how large they are, and smaller ones. One at a time, so that however many are asked
 * for, one is in memory. sharp is loaded when there is the first picture: it takes its time.
 */
import type { Sharp } from 'sharp'
import { tooLarge, unknown } from '../matrix/errors.ts'

/** What a picture is to become. */
export interface Shape {
  width: number
  height: number
  /** Fill the shape, and lose what sticks out; otherwise nothing is lost, and it may stick out. */
  isCropped: boolean
  isAnimated: boolean
}

/** As it is seen: turned the right way up. Of an animation, one frame. */
export interface Picture {
  width: number
  height: number
  frames: number
  /** Its file says that it is to be turned or mirrored before it is seen. */
  isTurned: boolean
  hasAlpha: boolean
  format: string
}

type Loaded = typeof import('sharp').default

let loading: Promise<Loaded> | undefined

/** Of what libvips reads, only what browsers show: each reader is one more way in. */
async function load(): Promise<Loaded> {
  const { default: sharp } = await import('sharp')
  sharp.block({ operation: ['VipsForeignLoad'] })
  const readers = ['JpegFile', 'PngFile', 'WebpFile', 'NsgifFile', 'HeifFile']
  sharp.unblock({ operation: readers.map(name => `VipsForeignLoad${name}`) })
  sharp.cache(false)
  sharp.concurrency(1)
  return sharp
}

export class Images {
  readonly #maxPixels: number
  #last: Promise<unknown> = Promise.resolve()

  /** @param maxPixels of all frames */
  constructor(maxPixels: number) {
    this.#maxPixels = maxPixels
  }

  /**
   * Look at a file.
   *
   * @throws 400 M_UNKNOWN not a picture that can be read · 413 M_TOO_LARGE too many pixels
   */
  look(file: string): Promise<Picture> {
    return this.#inTurn(async sharp => {
      const found = await this.#open(sharp, file, true).metadata()
      // The frames of an animation lie one below the other.
      const [across, down] = [found.width, found.pageHeight ?? found.height]
      const { pages: frames = 1, orientation = 1, hasAlpha, format } = found
      const [width, height] = orientation >= 5 ? [down, across] : [across, down]
      return { width, height, frames, isTurned: orientation > 1, hasAlpha, format }
    })
  }

  /**
   * Make a smaller picture, at `target`.
   *
   * @returns its content type: image/png, image/jpeg or, if it is animated, image/webp
   * @throws 400 M_UNKNOWN · 413 M_TOO_LARGE
   */
  shrink(file: string, picture: Picture, shape: Shape, target: string): Promise<string> {
    return this.#inTurn(async sharp => {
      const { isAnimated } = shape
      const box = boxFor(picture, shape)
      const small = this.#open(sharp, file, isAnimated)
        .autoOrient()
        .resize({ ...box, fit: shape.isCropped ? 'cover' : 'fill' })
      const type = isAnimated
        ? 'webp'
        : picture.format === 'png' || picture.hasAlpha
          ? 'png'
          : 'jpeg'
      await small.toFormat(type).toFile(target)
      return `image/${type}`
    })
  }

  #open(sharp: Loaded, file: string, isAnimated: boolean): Sharp {
    return sharp(file, { limitInputPixels: this.#maxPixels, animated: isAnimated })
  }

  #inTurn<T>(run: (sharp: Loaded) => Promise<T>): Promise<T> {
    const turn = this.#last.then(async () => {
      loading ??= load()
      const sharp = await loading
      return await run(sharp).catch(refuse)
    })
    this.#last = turn.catch(() => undefined)
    return turn
  }
}

/** Is it larger than what is wanted, so that there is something to be made of it? */
export function isLarger(picture: Picture, shape: Shape): boolean {
  if (shape.isCropped) return picture.width > shape.width || picture.height > shape.height
  return picture.width > shape.width && picture.height > shape.height
}

/**
 * How large the picture gets: never larger than it is, and otherwise at least as large as wanted.
 * A crop of a picture that is too narrow has the proportions that are wanted, and not the size.
 */
export function boxFor(picture: Picture, shape: Shape): { width: number; height: number } {
  const [across, down] = [picture.width / shape.width, picture.height / shape.height]
  const [{ width, height }, factor] = shape.isCropped
    ? [shape, Math.min(1, across, down)]
    : [picture, 1 / Math.max(1, Math.min(across, down))]
  const scaled = (length: number) => Math.max(1, Math.round(length * factor))
  return { width: scaled(width), height: scaled(height) }
}

/** libvips has words and no codes. */
function refuse(error: unknown): never {
  const { message } = error as Error
  if (/pixel limit/i.test(message)) throw tooLarge('The picture has too many pixels')
  if (/ENOSPC|unable to open for write/i.test(message)) throw error
  throw unknown('That is no picture that this server can read')
}
