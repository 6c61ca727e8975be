import { type Attack, Attacker } from '../support/attack.ts'
import { bodyMembersOf, GoodRequests } from '../support/good-requests.ts'
import {
  hostileIds,
  hostileQueryValues,
  jsonValues,
  oddBodies,
  refusedBodies,
} from '../support/hostile.ts'
import { closeConnections, type RawRequest, sendRaw } from '../support/raw-http.ts'
import { complaintAbout, gist } from '../support/refusals.ts'
import { allEndpoints, isUnserved, startServer, type TestServer } from '../support/server.ts'

let server: TestServer
let good: GoodRequests
let attacker: Attacker
beforeAll(async () => {
  server = await startServer()
  good = await GoodRequests.make(server)
  attacker = new Attacker(server, good)
})
beforeEach(() => good.repair())
afterAll(async () => {
  closeConnections()
  await server.stop()
})

const cases = allEndpoints().flatMap(endpoint =>
  endpoint.paths.map(path => ({ name: `${endpoint.method} ${path}`, path, endpoint })),
)

/** One path of each: an endpoint reads its query and its body the same way at all of them. */
const byEndpoint = cases.filter(({ endpoint, path }) => endpoint.paths[0] === path)

describe('Every endpoint is asked as it wants to be', () => {
  // Else the attacks below would all be refused for something that they do not mean.
  const refusedAnyway =
    /admin\/v1\/rooms\/:roomId$|admin\/v2\/rooms|deactivate|login$|register$|refresh$|get_token$|userinfo$|ping$|password$|delete_devices|invite$|forget$|knock|unban$/
  test.each(cases.filter(({ path }) => !refusedAnyway.test(path)))(
    '$name',
    async ({ endpoint, path }) => {
      const attack = { what: 'in order', request: good.request(endpoint, path) }
      expect(await attacker.run([attack])).toEqual([])
    },
  )
})

describe('Authentication comes before parsing', () => {
  const tokens: [string, Partial<RawRequest>, string][] = [
    ['no token', {}, 'M_MISSING_TOKEN'],
    ['an empty header', { headers: { Authorization: '' } }, 'M_MISSING_TOKEN'],
    ['Bearer and nothing', { headers: { Authorization: 'Bearer' } }, 'M_MISSING_TOKEN'],
    ['Bearer and two words', { headers: { Authorization: 'Bearer a b' } }, 'M_MISSING_TOKEN'],
    ['another scheme', { headers: { Authorization: 'Basic YTpi' } }, 'M_MISSING_TOKEN'],
    ['an unknown token', { token: 'hga_unknown' }, 'M_UNKNOWN_TOKEN'],
    ['a token of odd bytes', { token: '\xff\xfe' }, 'M_UNKNOWN_TOKEN'],
    ['a token like SQL', { token: "'--" }, 'M_UNKNOWN_TOKEN'],
    ['a token of 8,000 bytes', { token: 'x'.repeat(8_000) }, 'M_UNKNOWN_TOKEN'],
  ]
  const queries: [string, string, string][] = [
    ['an unknown token in the query', '?access_token=x', 'M_UNKNOWN_TOKEN'],
    ['a token of NUL in the query', '?access_token=%00', 'M_UNKNOWN_TOKEN'],
    ['a token of broken UTF-8 in the query', '?access_token=%ff%zz', 'M_UNKNOWN_TOKEN'],
  ]

  test.each(cases.filter(({ endpoint }) => ['user', 'admin'].includes(endpoint.auth)))(
    '$name',
    async ({ endpoint, path }) => {
      const { method } = endpoint
      const names = GoodRequests.parametersOf(path)
      const spoilt = Object.fromEntries(names.map(name => [name, '%00']))
      const paths = [good.path(path), good.path(path, spoilt)]
      const attacks = paths.flatMap((filled): Attack[] => [
        ...tokens.map(([what, request, errcode]) => ({
          what,
          request: { method, path: `${filled}?limit=x&since=x`, body: '{"a":', ...request },
          expected: `401 ${errcode}`,
        })),
        ...queries.map(([what, query, errcode]) => ({
          what,
          request: { method, path: `${filled}${query}`, body: '\xff' },
          expected: `401 ${errcode}`,
        })),
      ])
      expect(await attacker.run(attacks)).toEqual([])
    },
  )

  test.each(cases.filter(({ endpoint }) => endpoint.auth === 'optional'))(
    '$name: a token that is sent must be good',
    async ({ endpoint, path }) => {
      const request = { ...good.request(endpoint, path), token: 'hga_unknown', body: '{"a":' }
      const attack = { what: 'an unknown token', request, expected: '401 M_UNKNOWN_TOKEN' }
      expect(await attacker.run([attack])).toEqual([])
    },
  )

  test.each(cases.filter(({ endpoint }) => endpoint.auth === 'none'))(
    '$name: a token makes no difference',
    async ({ endpoint, path }) => {
      const request = good.request(endpoint, path)
      const without = await sendRaw(server.baseUrl, { ...request, body: '[]' })
      const withOne = await sendRaw(server.baseUrl, { ...request, body: '[]', token: 'x' })
      expect(gist(withOne)).toBe(gist(without))
    },
  )
})

describe('Every path has no method but its own: 405 M_UNRECOGNIZED, before authentication', () => {
  const paths = [...new Set(cases.map(({ path }) => path))]

  test.each(paths)('%s', async path => {
    const own = cases.filter(one => one.path === path).map(({ endpoint }) => endpoint.method)
    const others = ['GET', 'POST', 'PUT', 'DELETE', 'PATCH', 'PROPFIND', 'TRACE'].filter(
      method => !own.some(mine => mine === method),
    )
    const attacks = others.map(method => ({
      what: method,
      request: { method, path: good.path(path), body: method === 'TRACE' ? undefined : '{"a":' },
      expected: isUnserved(path, method) ? '404 M_UNRECOGNIZED' : '405 M_UNRECOGNIZED',
    }))
    expect(await attacker.run(attacks)).toEqual([])
  })
})

describe('Every parameter of every path', () => {
  /** Whatever is said of them, these may be anything that is not too long and can be kept. */
  const areFree = /^(eventType|type|relType|txnId|stateKey|tag|ruleId|keyName|fileName)$/
  const areRefusedAnyway = /NUL|broken|half a|300 bytes/
  /** A list, one level up; a room of which this server has not heard yet. */
  const mayBeFine = [
    /devices.*(empty|the way up)/,
    /report\/:eventId eventId is empty/,
    /(delayed_events\/:delayId|room_keys.version\/:version) \w+ is empty/,
    /(account_data|tags).*(unicode ID|SQL quotes in an ID)/,
    /admin\/v2\/users\/:userId userId is empty/,
    /admin\/v1\/rooms\/:roomId \w+ is empty/,
    // A room can be blocked before this server has heard of it.
    /admin\/v1\/rooms\/:roomId(\/block)? .*(unicode ID|SQL quotes in an ID)/,
    /profile.* keyName is (empty|the way up)/,
  ]

  test.each(cases.filter(({ path }) => GoodRequests.parametersOf(path).length > 0))(
    '$name',
    async ({ endpoint, path }) => {
      const attacks = GoodRequests.parametersOf(path).flatMap(name =>
        Object.entries(hostileIds).map(([id, segment]): Attack => {
          const what = `${name} is ${id}`
          const mustFail =
            (!areFree.test(name) || areRefusedAnyway.test(what)) &&
            !mayBeFine.some(fine => fine.test(`${path} ${what}`))
          const filled = good.path(path, { [name]: segment })
          const request = { ...good.request(endpoint, path), path: filled }
          return { what, request, expected: mustFail ? /^4/ : undefined }
        }),
      )
      expect(await attacker.run(attacks)).toEqual([])
    },
  )
})

describe('Every parameter of every query', () => {
  test.each(byEndpoint.filter(({ endpoint }) => endpoint.queryNames.length > 0))(
    '$name',
    async ({ endpoint, path }) => {
      const withQuery = (query: string) => {
        const request = good.request(endpoint, path)
        const asked = { ...request, path: `${good.path(path)}?${query}` }
        return { what: 'query', request: asked }
      }
      const attacks = endpoint.queryNames.flatMap(name => [
        ...hostileQueryValues.map(value => withQuery(`${name}=${value}`)),
        withQuery(name),
        withQuery(`${name}=x&${name}=1`),
        withQuery(`${name}=1&${name}=x`),
        withQuery(`${name}[]=1`),
        withQuery(`${name}[a][b]=1`),
      ])
      const odd = ['?', '&', '&&=&', '=', '__proto__=1&constructor=2', '%zz=%zz', '%00=1', '#x']
      expect(await attacker.run([...attacks, ...odd.map(withQuery)])).toEqual([])
    },
  )
})

describe('Every body', () => {
  const withBody = byEndpoint.filter(({ endpoint }) => endpoint.hasBody)

  test.each(withBody)('$name: what is no JSON object is refused', async ({ endpoint, path }) => {
    const request = good.request(endpoint, path)
    const attacks = Object.entries(refusedBodies).map(([what, { body, errcode }]) => ({
      what,
      request: { ...good.request(endpoint, path), body },
      expected: `400 ${errcode}`,
    }))
    const encoded = ['gzip', 'deflate', 'br', 'nonsense'].map(encoding => ({
      what: `not ${encoding}`,
      request: {
        ...good.request(endpoint, path),
        headers: { 'Content-Encoding': encoding },
      },
      expected: '400 M_NOT_JSON',
    }))
    const tooLarge = {
      what: 'a body that is too large',
      request: { ...request, body: `{"a":"${'x'.repeat(1_100_000)}"}` },
      expected: '413 M_TOO_LARGE',
    }
    expect(await attacker.run([...attacks, ...encoded, tooLarge])).toEqual([])
  })

  test.each(withBody)('$name: absent or empty', async ({ endpoint, path }) => {
    for (const body of [undefined, '']) {
      const request = { ...good.request(endpoint, path), body, token: good.token }
      const answer = await sendRaw(server.baseUrl, request)
      expect(complaintAbout(answer)).toBeUndefined()
      if (answer.status >= 500) throw new Error(answer.text)
      // Some take none; if one is wanted, there is one way to say so.
      if (answer.body.error === 'The body is missing') expect(gist(answer)).toBe('400 M_NOT_JSON')
    }
  })

  test.each(withBody)('$name: every member with every type', async ({ endpoint, path }) => {
    const attacks = bodyMembersOf(endpoint).flatMap(member =>
      [...jsonValues, `"${'x'.repeat(70_000)}"`].map(value => {
        const request = good.request(endpoint, path)
        const others = Object.entries(good.body(path)).filter(([name]) => name !== member)
        const members = others.map(([name, other]) => `"${name}":${JSON.stringify(other)}`)
        const body = `{${[...members, `"${member}":${value}`].join(',')}}`
        return { what: `${member} is ${value.slice(0, 40)}`, request: { ...request, body } }
      }),
    )
    const odd = oddBodies.map(body => ({
      what: body.slice(0, 60),
      request: { ...good.request(endpoint, path), body },
    }))
    expect(await attacker.run([...attacks, ...odd])).toEqual([])
  })

  test.each(withBody)('$name: the content type does not matter', async ({ endpoint, path }) => {
    const types = ['text/plain', 'application/x-www-form-urlencoded', 'x', 'multipart/form-data']
    const attacks = types.map(type => ({
      what: type,
      request: {
        ...good.request(endpoint, path),
        body: '[]',
        headers: { 'Content-Type': type },
      },
      expected: '400 M_BAD_JSON',
    }))
    expect(await attacker.run(attacks)).toEqual([])
  })
})

test('and nothing that was accepted has broken anything', async () => {
  await good.logInAgain()
  const paths = ['sync', 'joined_rooms', 'publicRooms', 'devices']
  for (const path of paths) {
    const request = { method: 'GET', path: `/_matrix/client/v3/${path}`, token: good.token }
    expect({ path, status: (await sendRaw(server.baseUrl, request)).status }).toEqual({
      path,
      status: 200,
    })
  }
})
