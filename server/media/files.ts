/**
 * Bytes on disk:
 *
 *   incoming/{random}             what is being received; forgotten at the next start
 *   files/{ab}/{media id}         what has been uploaded
 *   thumbnails/{ab}/{media id}/   what was made of it
 *
 * A file is written whole under a name of its own, and then renamed: nobody sees half of one. It is
 * streamed both ways, and never held in memory.
 */
import { mkdir, open, rename, rm } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { randomToken } from '../lib/random.ts'
import { tooLarge } from '../matrix/errors.ts'

/** A file that has arrived, and that somebody has to keep or to discard. */
export interface Received {
  path: string
  sizeBytes: number
}

export class MediaFiles {
  /** Absolute. */
  readonly folder: string

  private constructor(folder: string) {
    this.folder = folder
  }

  /** Nothing is made before there is a file. */
  static async start(folder: string): Promise<MediaFiles> {
    const files = new MediaFiles(resolve(folder))
    await rm(files.#incoming, { recursive: true, force: true })
    return files
  }

  get #incoming(): string {
    return join(this.folder, 'incoming')
  }

  /** A path in `incoming` that nobody else has. */
  async newPath(): Promise<string> {
    await mkdir(this.#incoming, { recursive: true })
    return join(this.#incoming, randomToken(12))
  }

  /**
   * Write a stream to disk; when it returns, the bytes are there to stay.
   *
   * @param source not closed, nor read to its end, if it is too long
   * @throws 413 M_TOO_LARGE · whatever the source throws. Nothing is left behind.
   */
  async receive(source: AsyncIterable<Uint8Array>, maxBytes: number): Promise<Received> {
    const path = await this.newPath()
    const file = await open(path, 'wx')
    let sizeBytes = 0
    try {
      for await (const chunk of source) {
        sizeBytes += chunk.length
        if (sizeBytes > maxBytes) throw tooLarge(`The file is larger than ${maxBytes} bytes`)
        await file.writeFile(chunk)
      }
      await file.sync()
    } catch (error) {
      await file.close()
      await this.discard({ path })
      throw error
    }
    await file.close()
    return { path, sizeBytes }
  }

  /** Give a file its place, in the place of what may be there. */
  async keep({ path }: Pick<Received, 'path'>, place: string): Promise<void> {
    const target = join(this.folder, place)
    await mkdir(dirname(target), { recursive: true })
    await rename(path, target)
  }

  async discard({ path }: Pick<Received, 'path'>): Promise<void> {
    await rm(path, { force: true })
  }

  /** Remove a file and its thumbnails, as far as they are there. */
  async remove(mediaId: string): Promise<void> {
    await rm(join(this.folder, fileOf(mediaId)), { force: true })
    await rm(join(this.folder, thumbnailsOf(mediaId)), { recursive: true, force: true })
  }
}

/** Relative to the folder of the files. */
export const fileOf = (mediaId: string) => join('files', mediaId.slice(0, 2), mediaId)
/** The folder of what was made of a file, relative to the folder of the files. */
export const thumbnailsOf = (mediaId: string) => join('thumbnails', mediaId.slice(0, 2), mediaId)
