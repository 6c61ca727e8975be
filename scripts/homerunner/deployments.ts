/** What is running, by the name of its blueprint, each for a time. */
import type { Clock, Timer } from '../../server/lib/clock.ts'
import { type Blueprint, CannotDeploy } from './blueprint.ts'
import { type Deployed, deploy, type HomeserverAnswer, type Place } from './deploy.ts'

export interface DeploymentAnswer {
  homeservers: Record<string, HomeserverAnswer>
  /** RFC 3339. */
  expires: string
}

interface Deployment {
  servers: readonly Deployed[]
  expiry: Timer
}

const longestLifetimeMins = 366 * 24 * 60

/**
 * @param minutes as HOMERUNNER_LIFETIME_MINS has it; 30 unless given
 * @throws Error it is no time, or more than a year
 */
export function lifetimeMsOf(minutes: string | undefined): number {
  const count = Number(minutes || 30)
  if (count > 0 && count <= longestLifetimeMins) return count * 60_000
  throw new Error(`HOMERUNNER_LIFETIME_MINS: ${minutes} is no number of minutes up to a year`)
}

export class Deployments {
  readonly #clock: Clock
  readonly #lifetimeMs: number
  readonly #place: Place
  readonly #log: (line: string) => void
  /** Undefined while it is still being made. */
  readonly #running = new Map<string, Deployment | undefined>()
  readonly #making = new Set<Promise<unknown>>()
  #ending = new AbortController()

  constructor(given: {
    clock: Clock
    lifetimeMs: number
    place: Place
    log: (line: string) => void
  }) {
    this.#clock = given.clock
    this.#lifetimeMs = given.lifetimeMs
    this.#place = given.place
    this.#log = given.log
  }

  /** @throws CannotDeploy, or what a homeserver refused; then nothing of it is left */
  async create(blueprint: Blueprint): Promise<DeploymentAnswer> {
    const making = this.#create(blueprint)
    this.#making.add(making)
    return making.finally(() => this.#making.delete(making))
  }

  async #create({
    name,
    homeservers,
    keepAccessTokensForUsers,
  }: Blueprint): Promise<DeploymentAnswer> {
    if (this.#running.has(name)) {
      throw new CannotDeploy(`deployment with name ${name} already exists`)
    }
    this.#running.set(name, undefined)
    const servers = await this.#make(homeservers).catch(error => {
      this.#running.delete(name)
      throw error
    })
    const expiresAt = this.#clock.now() + this.#lifetimeMs
    const expiry = this.#clock.timer(expiresAt, () => {
      this.#log(`${name} has expired`)
      this.destroy(name).catch(error => this.#log(`${name}: ${error.message}`))
    })
    this.#running.set(name, { servers, expiry })
    const isKept = (userId: string) =>
      keepAccessTokensForUsers.length === 0 || keepAccessTokensForUsers.includes(userId)
    const answers = servers.map(({ answer }, i) => {
      const tokens = Object.entries(answer.AccessTokens).filter(([userId]) => isKept(userId))
      return [homeservers[i]?.name, { ...answer, AccessTokens: Object.fromEntries(tokens) }]
    })
    return {
      homeservers: Object.fromEntries(answers),
      expires: new Date(expiresAt).toISOString(),
    }
  }

  /** All or none. */
  async #make(homeservers: Blueprint['homeservers']): Promise<Deployed[]> {
    const servers: Deployed[] = []
    const { signal } = this.#ending
    try {
      for (const plan of homeservers) {
        servers.push(await deploy(plan, this.#place, signal))
        signal.throwIfAborted()
      }
      return servers
    } catch (error) {
      await Promise.all(servers.map(server => server.stop()))
      throw error
    }
  }

  /** @throws CannotDeploy there is none of that name */
  async destroy(name: string): Promise<void> {
    const deployment = this.#running.get(name)
    if (!deployment) throw new CannotDeploy(`no deployment with name '${name}' exists`)
    this.#running.delete(name)
    deployment.expiry.cancel()
    await Promise.all(deployment.servers.map(server => server.stop()))
  }

  /** Also what is still being made; it is not finished. */
  async destroyAll(): Promise<void> {
    this.#ending.abort(new CannotDeploy('Homerunner is ending'))
    await Promise.allSettled(this.#making)
    this.#ending = new AbortController()
    for (const [name, deployment] of this.#running) if (deployment) await this.destroy(name)
  }
}
