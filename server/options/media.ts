/** Uploaded files, and previews of web pages. */
import { z } from 'zod'
import { durationMs } from './kinds.ts'

export const media = z
  .strictObject({
    dir: z
      .string()
      .min(1)
      .optional()
      .describe('Where uploaded files and their thumbnails are kept. Default: media in data_dir.'),
    max_upload_bytes: z
      .int()
      .min(1)
      .default(104_857_600)
      .describe('Largest file that may be uploaded.'),
    max_image_pixels: z
      .int()
      .min(1)
      .default(33_554_432)
      .describe(
        'Of larger images, all frames counted, no thumbnails are made: a small file can be a ' +
          'picture that fills the memory.',
      ),
    pending_upload_lifetime_ms: durationMs
      .min(1)
      .default(86_400_000)
      .describe('How long something can be uploaded to an id of /_matrix/media/v1/create.'),
    max_pending_uploads_per_user: z
      .int()
      .min(1)
      .default(100)
      .describe('How many such ids a user may have to which nothing has been uploaded.'),
    legacy_downloads: z
      .boolean()
      .default(true)
      .describe(
        'May files be downloaded from /_matrix/media/v3, where no token is asked for? Clients ' +
          'of before Matrix 1.11, matrix-bot-sdk and Complement do.',
      ),
  })
  .prefault({})
  .describe('Uploaded files.')

export const urlPreviews = z
  .strictObject({
    enabled: z.boolean().default(true).describe('May users have web pages looked at for them?'),
    allow_private_addresses: z
      .boolean()
      .default(false)
      .describe(
        'Also look at pages in private networks and on this machine, for Complement and tests: ' +
          'every user can then ask for what only this machine can reach.',
      ),
    max_bytes: z.int().min(1).default(10_485_760).describe('Largest picture that is fetched.'),
    timeout_ms: durationMs
      .min(1)
      .default(10_000)
      .describe('How long a page and its picture may take together.'),
    cached_ms: durationMs
      .default(3_600_000)
      .describe('How long a page is not asked again. Its picture is kept for a day longer.'),
  })
  .prefault({})
  .describe('Previews of web pages.')
