/** An application service as a server sees it: a registration file, and a URL that listens. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { JsonObject } from './wire.ts'

export interface Heard {
  method: string
  path: string
  authorization: string | undefined
  body: JsonObject
}

/** What to answer; undefined: nothing at all, the connection is cut. */
type Answer = { status: number; body?: JsonObject } | undefined

export class TestAppService {
  readonly id: string
  readonly asToken: string
  readonly hsToken: string
  /** Everything that it has been asked, oldest first. */
  readonly heard: Heard[] = []
  /** May be changed by a test. */
  answer: (request: Heard) => Answer | Promise<Answer> = () => ({ status: 200 })
  readonly #server: Server
  readonly #folder: string
  #wake: () => void = () => undefined

  static async start(id: string, registration: JsonObject = {}): Promise<TestAppService> {
    const folder = await mkdtemp(join(tmpdir(), 'hourglass-as-'))
    const service = new TestAppService(id, folder)
    await new Promise<void>(resolve => {
      service.#server.listen(0, '127.0.0.1', resolve)
    })
    const { port } = service.#server.address() as AddressInfo
    const content = {
      id,
      url: `http://127.0.0.1:${port}/`,
      as_token: service.asToken,
      hs_token: service.hsToken,
      sender_localpart: `_${id}_bot`,
      rate_limited: false,
      namespaces: {
        users: [{ exclusive: true, regex: `@_${id}_.*` }],
        aliases: [{ exclusive: true, regex: `#_${id}_.*` }],
        rooms: [],
      },
      ...registration,
    }
    // JSON is YAML.
    await writeFile(service.file, JSON.stringify(content))
    return service
  }

  private constructor(id: string, folder: string) {
    this.id = id
    this.asToken = `as_token_of_${id}`
    this.hsToken = `hs_token_of_${id}`
    this.#folder = folder
    this.#server = createServer((request, response) => {
      void this.#hear(request).then(answer => {
        if (!answer) return response.destroy()
        response.writeHead(answer.status, { 'Content-Type': 'application/json' })
        return response.end(JSON.stringify(answer.body ?? {}))
      })
    })
  }

  /** The registration file. */
  get file(): string {
    return join(this.#folder, 'registration.yaml')
  }

  async #hear(request: IncomingMessage): Promise<Answer> {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const text = Buffer.concat(chunks).toString()
    const heard = {
      method: request.method ?? '',
      path: request.url ?? '',
      authorization: request.headers.authorization,
      body: text === '' ? {} : JSON.parse(text),
    }
    this.heard.push(heard)
    const answer = await this.answer(heard)
    this.#wake()
    return answer
  }

  /** Wait until what has been heard is enough. */
  async until(isEnough: () => boolean): Promise<void> {
    while (!isEnough()) {
      await new Promise<void>(resolve => {
        this.#wake = resolve
      })
    }
  }

  /** The transactions that came, in order, repetitions included. */
  transactions(): { id: string; events: JsonObject[] }[] {
    return this.heard
      .filter(({ path }) => path.startsWith('/_matrix/app/v1/transactions/'))
      .map(({ path, body }) => ({ id: path.split('/').at(-1) ?? '', events: body.events }))
  }

  /** The events that came, in order; a repeated transaction counts once. */
  events(): JsonObject[] {
    const byId = new Map(this.transactions().map(({ id, events }) => [id, events]))
    return [...byId.values()].flat()
  }

  /** What happened in passing, under whichever key, in order; a repeated transaction counts once. */
  ephemeral(): JsonObject[] {
    const told = this.heard.filter(({ path }) => path.startsWith('/_matrix/app/v1/transactions/'))
    const byPath = new Map(told.map(({ path, body }) => [path, body]))
    return [...byPath.values()].flatMap(
      body => body.ephemeral ?? body['de.sorunome.msc2409.ephemeral'] ?? [],
    )
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise(resolve => this.#server.close(resolve))
    await rm(this.#folder, { recursive: true, force: true })
  }
}
