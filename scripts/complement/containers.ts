/** Containers of an image, started and stopped as Complement's deployer does it. */
import { execFile } from 'node:child_process'
import { get } from 'node:http'
import { get as getOverTls } from 'node:https'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'

/** COMPLEMENT_SPAWN_HS_TIMEOUT_SECS. */
const patienceMs = 30_000
/** What Complement waits between two questions. */
const pauseMs = 50

/** The command line of Docker, or of what takes the same one. */
export async function docker(...args: string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(process.env.DOCKER ?? 'docker', args)
  return stdout.trim()
}

export class Container {
  readonly #id: string
  #ports: Record<8008 | 8448, number> = { 8008: 0, 8448: 0 }

  private constructor(id: string) {
    this.#id = id
  }

  /** @param folder becomes /complement */
  static async create(image: string, network: string, folder: string): Promise<Container> {
    const id = await docker(
      'create',
      ...['--hostname', 'hs1', '--network', network, '--network-alias', 'hs1'],
      ...['--env', 'SERVER_NAME=hs1', '--publish-all'],
      ...['--add-host', 'host.docker.internal:host-gateway'],
      image,
    )
    await docker('cp', `${folder}/.`, `${id}:/complement`)
    return new Container(id)
  }

  get baseUrl(): string {
    return `http://127.0.0.1:${this.#ports[8008]}`
  }

  async start(): Promise<void> {
    await docker('start', this.#id)
  }

  /** Start, and wait until it answers. */
  async startUp(): Promise<void> {
    await this.start()
    this.#ports = { 8008: await this.#portOf(8008), 8448: await this.#portOf(8448) }
    const url = `${this.baseUrl}/_matrix/client/versions`
    for (let waitedMs = 0; (await statusOf(url)) !== 200; waitedMs += pauseMs) {
      if (waitedMs > patienceMs) throw new Error(await docker('logs', this.#id))
      await sleep(pauseMs)
    }
  }

  /** As Docker does it: SIGTERM, and SIGKILL 10 s later. Gives the exit code. */
  async stop(): Promise<number> {
    await docker('stop', this.#id)
    return Number(await docker('inspect', '--format', '{{.State.ExitCode}}', this.#id))
  }

  async kill(): Promise<void> {
    await docker('kill', this.#id)
  }

  /** Make an image of what is in it, running or not. */
  commit(): Promise<string> {
    return docker('commit', this.#id)
  }

  async remove(): Promise<void> {
    await docker('rm', '--force', this.#id)
  }

  /** @param ca whoever it trusts */
  bodyOverTls(path: string, ca: string): Promise<string> {
    const options = { host: '127.0.0.1', port: this.#ports[8448], path, ca, servername: 'hs1' }
    return new Promise((resolve, reject) => {
      const request = getOverTls({ ...options, agent: false }, async response => {
        resolve((await response.setEncoding('utf8').toArray()).join(''))
      })
      request.once('error', reject)
    })
  }

  async #portOf(port: number): Promise<number> {
    const [first = ''] = (await docker('port', this.#id, `${port}/tcp`)).split('\n')
    return Number(first.replace(/.*:/, ''))
  }
}

/** 0 if there is no answer. A connection of its own: nobody may be behind the port for a while. */
function statusOf(url: string): Promise<number> {
  return new Promise(resolve => {
    const request = get(url, { agent: false, timeout: 5_000 }, response => {
      response.resume()
      resolve(response.statusCode ?? 0)
    })
    request.once('timeout', () => request.destroy())
    request.once('error', () => resolve(0))
  })
}
