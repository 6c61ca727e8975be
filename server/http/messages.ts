/**
 * Requests and responses that node makes as express wants them.
 *
 * Express gives each a prototype when it comes. An object whose prototype changes gets a hidden class
 * of its own, which lives until the next full collection and keeps alive what it leads to: a third of
 * all that requests made outlived them, and was copied by each collection (decision 80).
 */
import { IncomingMessage, ServerResponse } from 'node:http'
import express, { type Express, type Request, type Response } from 'express'

class AppRequest extends IncomingMessage {}
class AppResponse extends ServerResponse {}
Object.setPrototypeOf(AppRequest.prototype, express.request)
Object.setPrototypeOf(AppResponse.prototype, express.response)

/** For the server that the app answers for. */
export const messages = { IncomingMessage: AppRequest, ServerResponse: AppResponse }

/** What such a server calls: express finds that they have the prototypes that it gives them. */
export function listenerOf(app: Express) {
  Object.assign(app, { request: AppRequest.prototype, response: AppResponse.prototype })
  return (message: IncomingMessage, answer: ServerResponse, notRouted: () => void): void => {
    const request = message as Request
    const response = answer as Response
    request.app = app
    response.app = app
    app(request, response, notRouted)
  }
}
