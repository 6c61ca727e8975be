/**
 * Networks that application services lead to: which there are, and whom or what of Matrix one meets there.
 * The services know; a client that asks waits for them. Of one that does not answer, nothing is told.
 *
 * Spec: Client-Server API "Third-party Networks"; Application Service API "Third-party networks"
 */
import { isJsonObject, type JsonObject, type JsonValue } from '../lib/json.ts'
import type { AppService } from '../matrix/app-service.ts'
import { notFound } from '../matrix/errors.ts'
import { callAppService, Unreachable } from './call.ts'
import type { Context } from './context.ts'

/** What may be looked up, and by what name of ours it is told. */
const idOf = { user: 'userid', location: 'alias' } as const
export type ThirdPartyKind = keyof typeof idOf

/**
 * All protocols, by their names.
 *
 * Spec: GET /thirdparty/protocols
 */
export async function thirdPartyProtocols(ctx: Context): Promise<JsonObject> {
  const names = new Set(ctx.appServices.all.flatMap(service => service.protocols))
  const described = await Promise.all(
    [...names].map(async name => [name, await describe(ctx, name)] as const),
  )
  return Object.fromEntries(described.flatMap(([name, about]) => (about ? [[name, about]] : [])))
}

/**
 * @throws 404 M_NOT_FOUND
 * Spec: GET /thirdparty/protocol/{protocol}
 */
export async function thirdPartyProtocol(ctx: Context, protocol: string): Promise<JsonObject> {
  const about = await describe(ctx, protocol)
  if (!about) throw notFound('There is no such protocol')
  return about
}

/** Where several services have a protocol, the first describes it, and all have instances of it. */
async function describe(ctx: Context, protocol: string): Promise<JsonObject | undefined> {
  const services = ctx.appServices.all.filter(service => service.protocols.includes(protocol))
  const answers = await Promise.all(
    services.map(async service => {
      const about = await ask(ctx, service, `/thirdparty/protocol/${encodeURIComponent(protocol)}`)
      if (!isJsonObject(about) || !Array.isArray(about.instances)) return []
      const instances = about.instances.filter(isJsonObject).map(instance => ({
        ...instance,
        instance_id: `${service.id}|${instance.network_id}`,
      }))
      return [{ ...about, instances }]
    }),
  )
  const [first, ...others] = answers.flat()
  return first && { ...first, instances: [first, ...others].flatMap(about => about.instances) }
}

/**
 * Users or rooms here that stand for somebody or something there.
 *
 * @param fields by which the protocol tells them apart
 * @throws 404 M_NOT_FOUND
 * Spec: GET /thirdparty/user/{protocol}, GET /thirdparty/location/{protocol}
 */
export function lookUpThirdParty(
  ctx: Context,
  kind: ThirdPartyKind,
  protocol: string,
  fields: Record<string, string>,
): Promise<JsonObject[]> {
  const services = ctx.appServices.all.filter(service => service.protocols.includes(protocol))
  return lookUp(ctx, services, kind, `/${encodeURIComponent(protocol)}`, fields)
}

/**
 * For whom or what there a user, or an alias, stands.
 *
 * @throws 404 M_NOT_FOUND
 * Spec: GET /thirdparty/user, GET /thirdparty/location
 */
export function lookUpByOurId(
  ctx: Context,
  kind: ThirdPartyKind,
  id: string,
): Promise<JsonObject[]> {
  const services = ctx.appServices.all.filter(service => service.protocols.length > 0)
  return lookUp(ctx, services, kind, '', { [idOf[kind]]: id })
}

async function lookUp(
  ctx: Context,
  services: readonly AppService[],
  kind: ThirdPartyKind,
  path: string,
  fields: Record<string, string>,
): Promise<JsonObject[]> {
  const query = String(new URLSearchParams(fields))
  const answers = await Promise.all(
    services.map(service => ask(ctx, service, `/thirdparty/${kind}${path}?${query}`)),
  )
  const found = answers
    .flatMap(answer => (Array.isArray(answer) ? answer : []))
    .filter(isJsonObject)
    .filter(
      one =>
        typeof one[idOf[kind]] === 'string' &&
        typeof one.protocol === 'string' &&
        isJsonObject(one.fields),
    )
  if (found.length === 0) throw notFound(`No ${kind} of that kind is known here`)
  return found
}

/** @returns undefined if there is no answer that can be read */
async function ask(
  ctx: Context,
  service: AppService,
  path: string,
): Promise<JsonValue | undefined> {
  const { url } = service
  if (url === undefined) return undefined
  try {
    const { status, text } = await callAppService(ctx, { ...service, url }, { method: 'GET', path })
    return status === 200 ? (JSON.parse(text) as JsonValue) : undefined
  } catch (error) {
    if (!(error instanceof Unreachable || error instanceof SyntaxError)) throw error
    ctx.log.warn({ app_service: service.id }, `third-party networks: ${error.message}`)
    return undefined
  }
}
