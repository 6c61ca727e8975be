/** Spec: Client-Server API "Push Rules: API" */
import { endpoint } from '../http/endpoint.ts'
import { defaultPushRules } from '../matrix/push-rules.ts'

// A slash at the end, or none: the route takes both.
const getPushRules = endpoint({
  method: 'GET',
  path: '/_matrix/client/v3/pushrules',
  spec: 'client-server-api/#get_matrixclientv3pushrules',
  auth: 'user',
  handle: ({ requester }) => ({ global: defaultPushRules(requester.userId) }),
})

const getGlobalPushRules = endpoint({
  method: 'GET',
  path: '/_matrix/client/v3/pushrules/global',
  spec: 'client-server-api/#get_matrixclientv3pushrulesglobal',
  auth: 'user',
  handle: ({ requester }) => defaultPushRules(requester.userId),
})

export const pushRuleEndpoints = [getPushRules, getGlobalPushRules]
