/** What a test orders to go wrong, and what is recorded of it. */

/** Undefined: whatever it is. All that is given must fit. */
export interface Scope {
  /**
   * Who asks, by their token; or whose delayed event it is that is asked for, by whomever: an
   * lk-jwt-service has no token at all.
   */
  userId?: string | undefined
  /** In the path; or the room of the delayed event. */
  roomId?: string | undefined
  /** In the path or the body, also as one of the secrets that older drafts have in its place. */
  delayId?: string | undefined
  /** Method and path, as in the specification: `PUT /…/rooms/{roomId}/send/{eventType}/{txnId}`. */
  endpoint?: string | undefined
}

/** What goes wrong. */
export type FaultKind =
  /** The work is done and committed, and the connection closes without an answer. */
  | { kind: 'answer_lost' }
  /** So long, by the server's clock, nothing is done; or it is done, and nobody is told. */
  | { kind: 'request_delayed' | 'answer_delayed'; delayMs: number }
  /**
   * 429 M_LIMIT_EXCEEDED, and nothing is done. `retryAfterMs` is in the body, and in the header in
   * seconds; `retryAfter` is the header as it stands, such as an HTTP date; null: no header.
   */
  | {
      kind: 'rate_limited'
      retryAfterMs?: number | undefined
      retryAfter?: string | null | undefined
    }
  /** `status` is 500 to 599; `body` is sent as HTML, as proxies do, instead of M_UNKNOWN as JSON. */
  | { kind: 'error'; status: number; body?: string | undefined }
  /** The connection is reset (TCP RST) before anything is done. */
  | { kind: 'connection_reset' }
  /** The database refuses the COMMIT with SQLSTATE 40001. Also of what is sent because it is due. */
  | { kind: 'serialisation_failure' }

/** What goes wrong, where, and how often. */
export type FaultOptions = FaultKind &
  Scope & {
    /** How often it strikes; 1 unless given, null: as long as it is there. */
    count?: number | null | undefined
    /** How many that would fit are let through first; 0 unless given. */
    skip?: number | undefined
  }

export interface Fault {
  readonly id: string
  readonly options: FaultOptions
  /** How often it will strike still; null: as long as it is there. */
  left: number | null
  /** How many it lets through before. */
  skip: number
}

/** That a fault struck: when and whom. */
export interface Strike {
  faultId: string
  kind: FaultKind['kind']
  /** The server's time, Unix ms. */
  ts: number
  endpoint: string
  userId?: string | undefined
  roomId?: string | undefined
  delayId?: string | undefined
}
