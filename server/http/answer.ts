/** What a handler returns, and how it is sent. */
import type { Response } from 'express'
import type { JsonValue } from '../lib/json.ts'

/** The rare answer that is not JSON. */
export class TextAnswer {
  readonly text: string

  constructor(text: string) {
    this.text = text
  }
}

/** For the rare success that is not 200. */
export class JsonAnswer {
  readonly status: number
  readonly body: JsonValue

  constructor(status: number, body: JsonValue) {
    this.status = status
    this.body = body
  }
}

/** A file on disk, which is streamed: whole, or the range that is asked for. */
export class FileAnswer {
  readonly folder: string
  /** Relative to the folder. */
  readonly path: string
  readonly headers: Readonly<Record<string, string>>

  constructor(folder: string, path: string, headers: Readonly<Record<string, string>>) {
    this.folder = folder
    this.path = path
    this.headers = headers
  }
}

export type Answer = JsonValue | JsonAnswer | TextAnswer | FileAnswer

/** @returns for a file when it is sent; rejects if nothing has been */
export function send(response: Response, answer: Answer): Promise<void> | undefined {
  if (answer instanceof FileAnswer) return sendFile(response, answer)
  if (answer instanceof TextAnswer) sendBytes(response, 200, 'text/plain', answer.text)
  else if (answer instanceof JsonAnswer) sendJson(response, answer.status, answer.body)
  else sendJson(response, 200, answer)
  return undefined
}

/** Exactly `application/json`: Complement compares the header as a whole. */
export function sendJson(response: Response, status: number, body: JsonValue): void {
  sendBytes(response, status, 'application/json', JSON.stringify(body))
}

/** With a length; a HEAD gets everything but the body. */
export function sendBytes(
  response: Response,
  status: number,
  contentType: string,
  text: string,
): void {
  const length = Buffer.byteLength(text)
  response.writeHead(status, { 'Content-Type': contentType, 'Content-Length': length })
  // As text it goes out together with the head, in one piece.
  response.end(response.req.method === 'HEAD' ? undefined : text)
}

/** Rejects if nothing has been sent; a client that hangs up on the way has what it wanted. */
function sendFile(response: Response, { folder, path, headers }: FileAnswer): Promise<void> {
  const options = { root: folder, headers, cacheControl: false, lastModified: false }
  return new Promise((resolve, reject) => {
    response.sendFile(path, options, error => {
      if (!error || response.destroyed) return resolve()
      // They are of the file, and may keep it for a day.
      if (!response.headersSent)
        for (const name of Object.keys(headers)) response.removeHeader(name)
      reject(error)
    })
  })
}
