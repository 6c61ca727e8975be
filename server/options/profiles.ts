/** Options that are set together under one name. What is set explicitly wins, option by option. */

export type Options = { readonly [name: string]: unknown }

const profiles: Record<string, Options> = {
  /** What test runs need. Whoever can reach such a server can do with it what they like. */
  test: {
    // Suites register on the fly, Element Web asks for a guest at its start, and Complement and
    // the fixtures of Element make administrators with this secret.
    registration: true,
    guests: true,
    registration_shared_secret: 'complement',
    password_hash_cost: 1,
    rate_limits: { enabled: false },
    // What is to be previewed lies on the machine that the tests run on.
    url_previews: { allow_private_addresses: true },
    push: { allow_private_addresses: true },
    media: { legacy_downloads: true },
  },
}

/** One of these stands in the option `profile`. */
export const profileNames = ['test'] as const

/** Options with those of the profile that they name beneath them. Whatever else is left as it is. */
export function withProfile(options: unknown): unknown {
  if (!isOptions(options) || typeof options.profile !== 'string') return options
  return Object.hasOwn(profiles, options.profile)
    ? mergeOptions(profiles[options.profile] ?? {}, options)
    : options
}

/** An option that is there wins, also as undefined: a group only as far as it goes. */
export function mergeOptions(beneath: Options, above: Options): Options {
  const merged: Record<string, unknown> = { ...beneath, ...above }
  for (const [name, value] of Object.entries(above)) {
    const under = beneath[name]
    if (isOptions(under) && isOptions(value)) merged[name] = mergeOptions(under, value)
  }
  return merged
}

function isOptions(value: unknown): value is Options {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
