/** Spec: Client-Server API "Push Rules: API" */
import { z } from 'zod'
import { endpoint } from '../http/endpoint.ts'
import { optional, shortText, text } from '../http/schemas.ts'
import type { JsonValue } from '../lib/json.ts'
import { assertActions } from '../user-data/push-rule-form.ts'
import {
  changePushRule,
  deletePushRule,
  pushRule,
  pushRules,
  putPushRule,
} from '../user-data/push-rules.ts'

const rulePath = '/_matrix/client/v3/pushrules/global/:kind/:ruleId'
const spec = 'client-server-api/#push-rules-api'
const params = z.object({ kind: shortText, ruleId: shortText.min(1) })
const jsonList = z.array(z.custom<JsonValue>())

// A slash at the end, or none: the route takes both.
const getPushRules = endpoint({
  method: 'GET',
  path: '/_matrix/client/v3/pushrules',
  spec: 'client-server-api/#get_matrixclientv3pushrules',
  auth: 'user',
  handle: async ({ ctx, requester }) => ({
    global: { ...(await pushRules(ctx, requester.userId)) },
  }),
})

const getGlobalPushRules = endpoint({
  method: 'GET',
  path: '/_matrix/client/v3/pushrules/global',
  spec: 'client-server-api/#get_matrixclientv3pushrulesglobal',
  auth: 'user',
  handle: async ({ ctx, requester }) => ({ ...(await pushRules(ctx, requester.userId)) }),
})

const getRule = endpoint({
  method: 'GET',
  path: rulePath,
  spec,
  auth: 'user',
  params,
  handle: ({ ctx, requester, params }) => pushRule(ctx, requester.userId, params),
})

const putRule = endpoint({
  method: 'PUT',
  path: rulePath,
  spec,
  auth: 'user',
  params,
  query: z.object({ before: text.optional(), after: text.optional() }),
  body: z.looseObject({
    actions: jsonList,
    conditions: optional(jsonList),
    pattern: optional(text),
  }),
  async handle({ ctx, requester, params, query, body }) {
    await putPushRule(ctx, requester.userId, params, body, query)
    return {}
  },
})

const deleteRule = endpoint({
  method: 'DELETE',
  path: rulePath,
  spec,
  auth: 'user',
  params,
  async handle({ ctx, requester, params }) {
    await deletePushRule(ctx, requester.userId, params)
    return {}
  },
})

const getEnabled = endpoint({
  method: 'GET',
  path: `${rulePath}/enabled`,
  spec,
  auth: 'user',
  params,
  async handle({ ctx, requester, params }) {
    const { enabled } = await pushRule(ctx, requester.userId, params)
    return { enabled }
  },
})

const putEnabled = endpoint({
  method: 'PUT',
  path: `${rulePath}/enabled`,
  spec,
  auth: 'user',
  params,
  body: z.looseObject({ enabled: z.boolean() }),
  async handle({ ctx, requester, params, body }) {
    await changePushRule(ctx, requester.userId, params, { enabled: body.enabled })
    return {}
  },
})

const getActions = endpoint({
  method: 'GET',
  path: `${rulePath}/actions`,
  spec,
  auth: 'user',
  params,
  async handle({ ctx, requester, params }) {
    const { actions } = await pushRule(ctx, requester.userId, params)
    return { actions }
  },
})

const putActions = endpoint({
  method: 'PUT',
  path: `${rulePath}/actions`,
  spec,
  auth: 'user',
  params,
  body: z.looseObject({ actions: jsonList }),
  async handle({ ctx, requester, params, body }) {
    assertActions(body.actions)
    await changePushRule(ctx, requester.userId, params, { actions: body.actions })
    return {}
  },
})

export const pushRuleEndpoints = [
  getPushRules,
  getGlobalPushRules,
  getRule,
  putRule,
  deleteRule,
  getEnabled,
  putEnabled,
  getActions,
  putActions,
]
