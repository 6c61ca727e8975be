/** What a fault is for, and whether something is that. */
import type { Touched } from '../../db/faults.ts'
import type { Endpoint } from '../http/endpoint.ts'
import type { Scope } from './fault.ts'

/** What is sent because it is due: no request, and a scope all the same. */
export const firing = 'fire'

/** What is known of a request, or of sending what is due. */
export interface Facts {
  endpoint: string
  userIds: readonly string[]
  roomIds: readonly string[]
  delayIds: readonly string[]
}

export function fits(scope: Scope, facts: Facts): boolean {
  const isAmong = (value: string | undefined, values: readonly string[]) =>
    value === undefined || values.includes(value)
  return (
    isAmong(scope.userId, facts.userIds) &&
    isAmong(scope.roomId, facts.roomIds) &&
    isAmong(scope.delayId, facts.delayIds) &&
    (scope.endpoint === undefined || isCalled(scope.endpoint, facts.endpoint))
  )
}

/**
 * What a transaction is about, of which each by itself may be what a fault is for: it may be shared with
 * others, and what one of them does in a room nobody else does there.
 */
export function withTouched(facts: Facts, touched: readonly Touched[]): Facts[] {
  const { endpoint, roomIds } = facts
  const nobody = { endpoint, userIds: [], roomIds: [], delayIds: [] }
  const ofEach = touched.map(({ user_id, room_id, delay_id }) => {
    const isTheirs = roomIds.length === 0 || roomIds.includes(room_id)
    const known: Facts = isTheirs ? facts : nobody
    return {
      endpoint,
      userIds: [...known.userIds, user_id],
      roomIds: [...known.roomIds, room_id],
      delayIds: [...known.delayIds, ...(delay_id === null ? [] : [delay_id])],
    }
  })
  return [...ofEach, facts]
}

/** Whether there is such an endpoint: a slip of the pen would be a fault that never strikes. */
export function isEndpoint(name: string, endpoints: readonly Endpoint[]): boolean {
  if (name === firing) return true
  return endpoints.some(({ method, paths }) =>
    paths.some(path => isCalled(name, `${method} ${path}`)),
  )
}

/** As the specification writes it, and as a scope may name it: with all that the path may leave out. */
export const asSpecified = (declared: string) =>
  declared.replace(/\{(\/:\w+)\}$/, '$1').replace(/:(\w+)/g, '{$1}')

/** @param declared in express's notation, where the last parameter may be `{/:optional}` */
function isCalled(name: string, declared: string): boolean {
  const all = declared.replace(/\{(\/:\w+)\}$/, '$1')
  const some = declared.replace(/\{\/:\w+\}$/, '')
  return [all, some].some(one => shapeOf(one) === shapeOf(name))
}

/** The names of parameters do not matter, nor how they are marked; `r0` is served as `v3`. */
const shapeOf = (endpoint: string) =>
  endpoint.replace(/:\w+|\{\w+\}/g, ':').replace(/(\/_matrix\/(?:client|media))\/r0\//, '$1/v3/')
