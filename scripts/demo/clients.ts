/**
 * Real Matrix clients for the demo and its spec-test. Each is an unmodified matrix-js-sdk client in
 * a process of its own, so that it can be killed the way a crashing browser tab dies.
 *
 * A client process says what happens to it, one JSON object per line on stdout: a `Moment`. The
 * first half of this file runs in such a process, the second half in the one that started it.
 */
import { spawn } from 'node:child_process'
import { EventEmitter, once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { MatrixClient, Room } from 'matrix-js-sdk'

export const callMemberType = 'org.matrix.msc3401.call.member'

/** Whom to be and where to look. */
export interface Login {
  baseUrl: string
  userId: string
  accessToken: string
  deviceId: string
  roomId: string
}

/** How a caller stays in the call: a leave `delayMs` ahead, put off again every `restartMs`. */
export interface Heartbeat {
  delayMs: number
  restartMs: number
}

/** A call membership event as a client received it. Empty content means: left the call. */
export interface CallMembership {
  eventId: string
  sender: string
  stateKey: string
  /** Unix ms by the server's clock. */
  originServerTs: number
  content: Record<string, unknown>
}

/**
 * What a client process reports. `at` is Unix ms: for a request, when the answer was in, and then
 * `requestedAt` is when it went out.
 */
export type Moment =
  | { what: 'synced'; at: number }
  | { what: 'sync-failed'; at: number }
  // the caller
  | { what: 'leave-scheduled'; at: number; requestedAt: number }
  | { what: 'joined'; at: number; requestedAt: number }
  /** A restart is about to go out. Its `restarted` has this `at` as `requestedAt`. */
  | { what: 'restarting'; at: number }
  | { what: 'restarted'; at: number; requestedAt: number }
  | { what: 'refused'; at: number; requestedAt: number; request: string; status: number }
  /** The SDK gave up on the call. */
  | { what: 'call-failed'; at: number; error: string }
  // the watcher
  | { what: 'membership'; at: number; membership: CallMembership }
  /** So many people are in the call, by the SDK's own count. */
  | { what: 'participants'; at: number; count: number }

type What = Moment['what']
type MomentOf<W extends What> = Extract<Moment, { what: W }>

// ── in a client process ──────────────────────────────────────────────────────────────────────

/** What the parent process passed to `startClient`. */
export function given<Given extends Login>(): Given {
  return JSON.parse(process.env.HOURGLASS_DEMO_CLIENT ?? '{}')
}

export function report(moment: Moment): void {
  process.stdout.write(`${JSON.stringify(moment)}\n`)
}

/**
 * Start a js-sdk client and wait for its first sync.
 *
 * A failed sync is worth a report: js-sdk 43 needs `Promise.withResolvers` to recover from one, and
 * Node has that since 22. On an older Node the client stays deaf from there on.
 *
 * @param fetchFn in the place of `fetch`, to see the SDK's requests
 * @throws if the user is not in the room by then
 */
export async function connect(
  { baseUrl, userId, accessToken, deviceId, roomId }: Login,
  fetchFn?: typeof fetch,
): Promise<{ client: MatrixClient; room: Room }> {
  keepStdoutForMoments()
  endWithParent()
  const { ClientEvent, SyncState, createClient } = await import('matrix-js-sdk')
  const client = createClient({ baseUrl, userId, accessToken, deviceId, fetchFn })
  const prepared = new Promise<void>(resolve => {
    client.on(ClientEvent.Sync, state => {
      if (state === SyncState.Prepared) resolve()
      if (state === SyncState.Error) report({ what: 'sync-failed', at: Date.now() })
    })
  })
  await client.startClient({ initialSyncLimit: 20 })
  await prepared
  const room = client.getRoom(roomId)
  if (!room) throw new Error(`${userId} is not in ${roomId}`)
  return { client, room }
}

/** The SDK logs to the console. What may explain a failure goes to stderr, the rest nowhere. */
function keepStdoutForMoments(): void {
  const drop = () => {}
  const keep = (...words: unknown[]) => process.stderr.write(`${words.map(String).join(' ')}\n`)
  Object.assign(console, { log: drop, trace: drop, debug: drop, info: drop })
  Object.assign(console, { warn: keep, error: keep })
}

/** Nobody else would end this process if the parent dies before it does. */
function endWithParent(): void {
  process.stdin.resume().once('close', () => process.exit())
}

// ── in the process that started it ───────────────────────────────────────────────────────────

/** A client in a process of its own. */
export interface ClientProcess {
  /** All that it has reported, in order. Grows while the process lives. */
  readonly moments: readonly Moment[]
  /**
   * The first such moment, be it reported already or still to come.
   *
   * @returns undefined if there is none when `withinMs` have passed
   * @throws if the process ends before that
   */
  find<W extends What>(
    what: W,
    withinMs: number,
    where?: (moment: MomentOf<W>) => boolean,
  ): Promise<MomentOf<W> | undefined>
  /** As `find`; @throws also when the time has passed. */
  wait<W extends What>(
    what: W,
    withinMs: number,
    where?: (moment: MomentOf<W>) => boolean,
  ): Promise<MomentOf<W>>
  /** End the process by SIGKILL, without a farewell. Afterwards all its moments are in. */
  kill(): Promise<void>
}

/** Start the client that joins the call and keeps its own delayed leave from firing. */
export function startCaller(login: Login, heartbeat: Heartbeat): ClientProcess {
  return startClient('caller.js', { ...login, ...heartbeat })
}

/** Start a client that watches the call. Resolves when it is in sync: from then on it sees all. */
export async function watchMembership(login: Login, withinMs: number): Promise<ClientProcess> {
  const watcher = startClient('watcher.js', login)
  try {
    await watcher.wait('synced', withinMs)
    return watcher
  } catch (error) {
    await watcher.kill()
    throw error
  }
}

/** The moments of one kind so far. */
export function momentsOf<W extends What>(
  { moments }: Pick<ClientProcess, 'moments'>,
  what: W,
): MomentOf<W>[] {
  return moments.filter((moment): moment is MomentOf<W> => moment.what === what)
}

function startClient(program: string, options: Login): ClientProcess {
  // Under jest this module is TypeScript, but the programs are always the built ones.
  const built = import.meta.url.endsWith('.ts') ? '../../dist/scripts/demo/' : './'
  const path = fileURLToPath(new URL(built + program, import.meta.url))
  const child = spawn(process.execPath, [path], {
    // The environment, because `ps` shows arguments to everybody and this holds a token.
    env: { ...process.env, HOURGLASS_DEMO_CLIENT: JSON.stringify(options) },
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  const closed = once(child, 'close')
  const moments: Moment[] = []
  const news = new EventEmitter<{ news: [] }>()
  let complaints = ''
  let hasEnded = false
  createInterface(child.stdout).on('line', line => {
    if (!line.startsWith('{"what":')) return
    moments.push(JSON.parse(line))
    news.emit('news')
  })
  child.stderr.on('data', chunk => {
    complaints = `${complaints}${chunk}`.slice(-2_000)
  })
  child.on('close', () => {
    hasEnded = true
    news.emit('news')
  })

  const unseen = (what: What, problem: string) => {
    const last = moments.slice(-5).map(moment => JSON.stringify(moment))
    return new Error(
      [`${program} ${problem} without a fitting '${what}'. Its last:`, ...last, complaints].join(
        '\n',
      ),
    )
  }

  async function find<W extends What>(
    what: W,
    withinMs: number,
    where: (moment: MomentOf<W>) => boolean = () => true,
  ): Promise<MomentOf<W> | undefined> {
    const timeUp = AbortSignal.timeout(withinMs)
    for (;;) {
      const found = momentsOf({ moments }, what).find(where)
      if (found) return found
      if (hasEnded) throw unseen(what, 'ended')
      if (timeUp.aborted) return undefined
      await once(news, 'news', { signal: timeUp }).catch(() => {})
    }
  }

  return {
    moments,
    find,
    async wait(what, withinMs, where) {
      const found = await find(what, withinMs, where)
      if (!found) throw unseen(what, `ran ${withinMs} ms`)
      return found
    },
    async kill() {
      child.kill('SIGKILL')
      await closed
    },
  }
}
