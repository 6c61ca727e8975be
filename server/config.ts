/**
 * The options as they are given: checked, and filled in. A key that is not among them is an error,
 * because a typo must not pass.
 */
import { readFileSync } from 'node:fs'
import { parse as parseYaml } from 'yaml'
import { z } from 'zod'
import type { DatabaseOptions } from '../db/database.ts'
import { addressRanges } from './lib/address-ranges.ts'
import { nearest } from './lib/nearest.ts'
import { configSchema } from './options/index.ts'
import { withProfile } from './options/profiles.ts'

/** Something in the options is wrong; the message is one line for the person who starts us. */
export class ConfigError extends Error {}

/**
 * What no option can tell by itself: whoever may reach the laboratory may do anything.
 *
 * @throws ConfigError
 */
export function checkLab({ lab, lab_token: token, host }: Config): void {
  if (!lab || token !== undefined) return
  if (host === 'localhost' || addressRanges(['loopback']).has(host)) return
  throw new ConfigError(`lab: ${host} can be reached from elsewhere: set lab_token`)
}

export type Config = z.infer<typeof configSchema>

/** Where the config wants the database. */
export function databaseOptions(config: Config): DatabaseOptions {
  return {
    url: config.database_url,
    schema: config.database_schema,
    maxConnections: config.database_connections,
    dataDir: config.data_dir,
  }
}

/** One of the limits on how often something may be done. */
export type LimitName = Exclude<keyof Config['rate_limits'], 'enabled'>

/**
 * Check options, and fill in those of the profile, then defaults.
 *
 * @param source where they came from, for the message
 * @throws ConfigError
 */
export function parseConfig(options: unknown, source: string): Config {
  const parsed = configSchema.safeParse(withProfile(options ?? {}))
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  const path = (issue?.path ?? []).join('.')
  if (issue?.code === 'unrecognized_keys') {
    const key = issue.keys[0] ?? ''
    const suggestion = nearest(key, optionsAt(issue.path))
    throw new ConfigError(
      `${source}: unknown option ${[path, key].filter(Boolean).join('.')}${suggestion ? ` (did you mean ${suggestion}?)` : ''}`,
    )
  }
  throw new ConfigError(
    path ? `${source}: ${path}: ${issue?.message}` : `${source}: ${issue?.message}`,
  )
}

/** The names of the options at a place in the config. */
function optionsAt(path: readonly PropertyKey[]): string[] {
  let schema: z.ZodType = configSchema
  for (const key of path) {
    if (schema instanceof z.ZodPrefault) schema = schema.unwrap() as z.ZodType
    if (schema instanceof z.ZodObject) schema = schema.shape[String(key)] as z.ZodType
  }
  if (schema instanceof z.ZodPrefault) schema = schema.unwrap() as z.ZodType
  return schema instanceof z.ZodObject ? Object.keys(schema.shape) : []
}

/**
 * Read a YAML file of options.
 *
 * @throws ConfigError if it cannot be read or is not YAML
 */
export function readConfigFile(file: string): Record<string, unknown> {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    throw new ConfigError(`cannot read ${file}: ${(error as NodeJS.ErrnoException).code}`)
  }
  try {
    const options: unknown = parseYaml(text) ?? {}
    if (typeof options === 'object' && options !== null && !Array.isArray(options)) {
      return options as Record<string, unknown>
    }
  } catch (error) {
    const [line = ''] = (error as Error).message.split('\n')
    throw new ConfigError(`${file}: ${line.replace(/:$/, '')}`)
  }
  throw new ConfigError(`${file}: is not a list of options`)
}
