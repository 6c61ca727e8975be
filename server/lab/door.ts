/** Where the laboratory is, and for whom. */
import type { Config } from '../config.ts'
import type { Context } from '../context.ts'
import type { Lab } from './lab.ts'

export const labPath = '/_hourglass/lab/v1'
export const labSpec = `${labPath}/openapi.json`

/** Without the option there is no such path. */
export const isServedInLab = ({ lab }: Config) => lab

export function labOf({ lab }: Context): Lab {
  if (!lab) throw new Error('a server with the option lab is given a laboratory')
  return lab
}
