/** Homerunner's three requests over HTTP. */
import { createServer, type IncomingMessage, type Server } from 'node:http'
import { text } from 'node:stream/consumers'
import { RequestFailed } from '../../spec-tests/support/client.ts'
import { CannotDeploy, parseBlueprint } from './blueprint.ts'
import type { Deployments } from './deployments.ts'
import { knownBlueprint } from './known-blueprints.ts'

/** Other than 200. */
class Refusal extends Error {
  readonly status: number

  constructor(status: number, message: string) {
    super(message)
    this.status = status
  }
}

type Body = Record<string, unknown>

/** @returns when it listens there */
export function listen(deployments: Deployments, host: string, port: number): Promise<Server> {
  const server = createServer((request, response) => {
    response.setHeader('Access-Control-Allow-Origin', '*')
    response.setHeader('Access-Control-Allow-Methods', 'GET, POST, OPTIONS')
    response.setHeader('Access-Control-Allow-Headers', 'Content-Type, Authorization')
    const answer = (status: number, body: unknown) => {
      response.writeHead(status, { 'Content-Type': 'application/json' })
      response.end(body === undefined ? undefined : JSON.stringify(body))
    }
    handle(deployments, request).then(
      body => answer(200, body),
      error => answer(error instanceof Refusal ? error.status : 500, { message: error.message }),
    )
  })
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, () => resolve(server))
  })
}

async function handle(deployments: Deployments, request: IncomingMessage): Promise<unknown> {
  const { method = '', url = '' } = request
  if (method === 'OPTIONS') return undefined
  switch (`${method} ${url.split('?')[0]}`) {
    case 'GET /health':
      return undefined
    case 'POST /create':
      return create(deployments, await bodyOf(request))
    case 'POST /destroy':
      return destroy(deployments, await bodyOf(request))
    default:
      throw new Refusal(404, 'there are POST /create, POST /destroy and GET /health')
  }
}

/** `base_image_uri` is not looked at: there is only us. */
async function create(deployments: Deployments, body: Body): Promise<unknown> {
  const { blueprint_name: name, blueprint } = body
  if (!name && !blueprint) {
    throw new Refusal(400, "one of 'blueprint_name' or 'blueprint' must be specified")
  }
  const plan = (typeof name === 'string' ? knownBlueprint(name) : undefined) ?? blueprint
  if (!plan) throw new Refusal(400, `there is no blueprint with the name ${name}`)
  try {
    return await deployments.create(parseBlueprint(plan))
  } catch (error) {
    // As Homerunner has it: whatever a blueprint leads to is the doing of who sent it.
    if (!(error instanceof CannotDeploy || error instanceof RequestFailed)) throw error
    throw new Refusal(400, `failed to create deployment: ${error.message}`)
  }
}

async function destroy(deployments: Deployments, { blueprint_name: name }: Body): Promise<unknown> {
  if (typeof name !== 'string' || name === '') throw new Refusal(400, 'missing blueprint name')
  try {
    await deployments.destroy(name)
    return {}
  } catch (error) {
    throw new Refusal(500, `failed to destroy deployment: ${(error as Error).message}`)
  }
}

async function bodyOf(request: IncomingMessage): Promise<Body> {
  try {
    const body: unknown = JSON.parse(await text(request))
    if (typeof body === 'object' && body !== null) return body as Body
  } catch {
    // Said below.
  }
  throw new Refusal(400, 'request body not JSON')
}
