/**
 * A server that is listening. Its context can be stopped and built anew under it, as the laboratory
 * does when it puts the data back to what they were: the addresses stay, and who calls meanwhile is
 * answered afterwards.
 */
import type { RequestListener } from 'node:http'
import { endpoints } from './client-api/index.ts'
import { type Config, checkLab } from './config.ts'
import { createContext, type Given, type RunningContext } from './context.ts'
import { makeApp } from './http/app.ts'
import { type Listening, listen } from './http/listen.ts'
import { loadCertificate } from './http/tls.ts'
import { labEndpoints } from './lab/index.ts'
import { systemClock } from './lib/clock.ts'

export class Serving {
  readonly #config: Config
  readonly #given: Given
  readonly #listening: Listening[] = []
  #context: RunningContext
  #app: RequestListener

  /** @throws ConfigError · DatabaseUnavailable · CannotListen */
  static async start(config: Config, given: Given = {}): Promise<Serving> {
    checkLab(config)
    const context = await createContext(config, given)
    const serving = new Serving(config, given, context)
    try {
      await serving.#listen()
      given.lab?.attach(serving)
      return serving
    } catch (error) {
      await serving.stop()
      throw error
    }
  }

  private constructor(config: Config, given: Given, context: RunningContext) {
    this.#config = config
    this.#given = given
    this.#context = context
    this.#app = this.#makeApp()
  }

  get context(): RunningContext {
    return this.#context
  }

  /** Where plain HTTP is spoken, and then where TLS is, if it is. */
  get urls(): readonly string[] {
    return this.#listening.map(one => one.url)
  }

  /** Whoever waits is let go, and answered; then everything is closed. */
  async stop(): Promise<void> {
    this.#given.lab?.faults.held.release()
    const closed = Promise.all(this.#listening.map(one => one.close()))
    this.#context.notifier.stop()
    await closed
    await this.#context.stop()
  }

  async #listen(): Promise<void> {
    const { host, port, tls } = this.#config
    const handle: RequestListener = (request, response) => this.#app(request, response)
    this.#listening.push(await listen(handle, host, port))
    if (tls.port === undefined) return
    const certificate = await loadCertificate(this.#config, this.#given.clock ?? systemClock)
    this.#listening.push(await listen(handle, host, tls.port, certificate))
  }

  #makeApp(): RequestListener {
    const { lab } = this.#given
    if (lab) this.#context.db.beforeCommit = tx => lab.faults.beforeCommit(tx)
    const around = lab?.faults.around(this.#context)
    return makeApp(this.#context, [...endpoints, ...labEndpoints], around)
  }
}
