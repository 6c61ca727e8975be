/**
 * The ceiling: the same express, with as many routes as a homeserver has, and handlers that do
 * nothing but read the body and answer. What a request costs beyond this is ours. With `--messages`,
 * node makes requests as express wants them, as the homeserver has it (decision 80).
 */
import { EventEmitter } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import express from 'express'
import { listenerOf, messages } from '../../server/http/messages.ts'

const routesBefore = 60
const routesAfter = 60

const app = express()
app.disable('x-powered-by')
app.disable('etag')

const filler = (from: number, count: number) => {
  for (let i = from; i < from + count; i++) {
    app.get(`/_matrix/client/v3/filler-${i}/:one/x/:two`, (_request, response) => {
      response.json({})
    })
  }
}

filler(0, routesBefore)
const body = express.raw({ type: () => true, limit: 1_048_576 })
app.put('/_matrix/client/v3/rooms/:roomId/send/:eventType/:txnId', body, (request, response) => {
  JSON.parse((request.body as Buffer).toString())
  response.json({ event_id: '$0000000000000000000000000000000000000000000' })
})
app.post('/delayed_events/:delayId/restart', body, (request, response) => {
  JSON.parse((request.body as Buffer).toString())
  response.json({})
})
const emitter = new EventEmitter()
emitter.setMaxListeners(0)
app.get('/wait', (_request, response) => {
  emitter.once('event', () => response.json({}))
})
app.get('/waiting', (_request, response) => {
  response.json(emitter.listenerCount('event'))
})
app.post('/emit', (_request, response) => {
  emitter.emit('event')
  response.json({})
})
filler(routesBefore, routesAfter)

// As long as the homeserver keeps a connection: at a fixed rate some are not needed for seconds.
const options = { keepAliveTimeout: 65_000 }

function asOurs() {
  const listener = listenerOf(app)
  return createServer({ ...options, ...messages }, (request, response) =>
    listener(request, response, () => response.destroy()),
  )
}

const server = process.argv.includes('--messages') ? asOurs() : createServer(options, app)
server.listen(0, '127.0.0.1', () => {
  const { port } = server.address() as AddressInfo
  console.log(`listening on http://127.0.0.1:${port}`)
})
process.on('SIGTERM', () => process.exit(0))
