/** What media are given. */
import type { Ground } from '../ground.ts'
import type { MediaFiles } from './files.ts'
import type { Images } from './images.ts'

export interface Context extends Ground {
  readonly mediaFiles: MediaFiles
  readonly images: Images
}
