/** Reading the files in which application services are registered. */
import { z } from 'zod'
import { ConfigError, readConfigFile } from '../config.ts'
import type { AppService, Namespace } from '../matrix/app-service.ts'
import { isValidLocalpart, makeUserId } from '../matrix/ids.ts'

const regex = z.string().transform((pattern, check) => {
  try {
    return new RegExp(`^(?:${pattern})`)
  } catch {
    check.addIssue({ code: 'custom', message: 'is not a regular expression' })
    return z.NEVER
  }
})

const namespaces = z
  .array(
    z
      .looseObject({ regex, exclusive: z.boolean().default(false) })
      .transform(({ regex, exclusive }): Namespace => ({ regex, isExclusive: exclusive })),
  )
  .nullish()
  .transform(list => list ?? [])

/** Loose: the files hold further members, for Synapse. */
const registration = z.looseObject({
  id: z.string().min(1),
  // Complement writes an empty one for services that are told nothing.
  url: z
    .literal('')
    .transform(() => null)
    .or(z.url({ protocol: /^https?$/ }).nullable()),
  as_token: z.string().min(1),
  hs_token: z.string().min(1),
  sender_localpart: z.string(),
  rate_limited: z.boolean().nullish(),
  receive_ephemeral: z.boolean().nullish(),
  // The same, as it was called in the draft; bridges of that time read the key of the draft.
  'de.sorunome.msc2409.push_ephemeral': z.boolean().nullish(),
  protocols: z.array(z.string()).nullish(),
  namespaces: z.looseObject({ users: namespaces, aliases: namespaces, rooms: namespaces }),
})

/**
 * @throws ConfigError a file that cannot be read or has the wrong form, or two services with one
 *   id or one token
 * Spec: Application Service API "Registration"
 */
export function readRegistrations(
  files: readonly string[],
  serverName: string,
): { service: AppService; asToken: string }[] {
  const read = files.map(file => ({ file, ...readRegistration(file, serverName) }))
  for (const [index, { file, service, asToken }] of read.entries()) {
    for (const earlier of read.slice(0, index)) {
      const same = service.id === earlier.service.id ? 'id' : 'as_token'
      if (service.id === earlier.service.id || asToken === earlier.asToken) {
        throw new ConfigError(`${file}: has the same ${same} as ${earlier.file}`)
      }
    }
  }
  return read
}

function readRegistration(
  file: string,
  serverName: string,
): { service: AppService; asToken: string } {
  const parsed = registration.safeParse(readConfigFile(file))
  if (!parsed.success) {
    const [issue] = parsed.error.issues
    throw new ConfigError(`${file}: ${issue?.path.join('.')}: ${issue?.message}`)
  }
  const { namespaces, ...given } = parsed.data
  if (!isValidLocalpart(given.sender_localpart, serverName)) {
    throw new ConfigError(`${file}: sender_localpart: is not the local part of a user ID`)
  }
  return {
    asToken: given.as_token,
    service: {
      id: given.id,
      url: given.url?.replace(/\/+$/, ''),
      hsToken: given.hs_token,
      senderUserId: makeUserId(given.sender_localpart, serverName),
      isRateLimited: given.rate_limited ?? true,
      ephemeralKey: given.receive_ephemeral
        ? 'ephemeral'
        : given['de.sorunome.msc2409.push_ephemeral']
          ? 'de.sorunome.msc2409.ephemeral'
          : undefined,
      protocols: given.protocols ?? [],
      ...namespaces,
    },
  }
}
