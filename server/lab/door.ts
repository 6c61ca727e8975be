/** Where the laboratory is, and for whom. */
import type { Config } from '../config.ts'
import type { Context } from '../context.ts'
import { Lab } from './lab.ts'

export const labPath = '/_hourglass/lab/v1'

/** What is the same for every endpoint. Without the option there is no such path. */
export const labEndpoint = {
  spec: `${labPath}/openapi.json`,
  auth: 'lab',
  servedIf: ({ lab }: Config) => lab,
} as const

export function labOf({ lab }: Context): Lab {
  if (!(lab instanceof Lab)) throw new Error('a server with the option lab is given a laboratory')
  return lab
}
