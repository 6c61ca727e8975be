/**
 * What runs inside the server process (`node --import`), before the server itself. It stands between
 * the server and its database driver: it counts statements, kills the process where it was
 * ordered to, and, for the self-test, breaks statements. The server does not know that it is there.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import { type IncomingMessage, Server, type ServerResponse } from 'node:http'
import { type Sabotage, sabotages } from './sabotages.ts'
import {
  answer,
  type Instructions,
  nameOf,
  type Order,
  type Path,
  type Phase,
  pathOf,
} from './steps.ts'

/** One walk along a path: a request, or one of the scheduler's transactions. */
interface Walk {
  path: Path | undefined
  isOver: boolean
  /** Of the scheduler's; nobody asks it of a request. */
  isInTransaction: boolean
  /** How often each statement has been met: the second `select events` is another step. */
  met: Map<string, number>
}

const given = JSON.parse(process.env.TORTURE ?? '{}') as Instructions
const { sabotage } = given
let { order, trace = false } = given
const broken: Sabotage | undefined = sabotage === undefined ? undefined : sabotages[sabotage]
let leftToPass = order?.nth ?? 0

process.on('message', (instructions: Instructions) => {
  order = instructions.order
  leftToPass = order?.nth ?? 0
  trace = instructions.trace ?? false
})
process.channel?.unref()

const requests = new AsyncLocalStorage<Walk>()

const newWalk = (path: Path | undefined): Walk => ({
  path,
  isOver: false,
  isInTransaction: false,
  met: new Map(),
})
let background = newWalk(undefined)

/** What the server does of its own accord counts as firing once it has looked for what is due. */
function walkOf(step: string): Walk {
  const request = requests.getStore()
  // A timer that scheduling has set remembers it; by then the request is over.
  if (request && (!request.isOver || request.path === undefined)) return request
  const isLook = step === 'select delayed_events' && !background.isInTransaction
  if (isLook) background = newWalk('fire')
  else if (step === 'begin') background = { ...newWalk(background.path), isInTransaction: true }
  else if (step === 'commit' || step === 'rollback') background.isInTransaction = false
  return background
}

const isMeant = (wanted: Order, path: Path | undefined, step: string, phase: Phase) =>
  wanted.phase === phase &&
  (wanted.path ?? path) === path &&
  path !== undefined &&
  (wanted.step ?? step) === step

/** @returns whether this is where the process is to die */
function isTheEnd(path: Path | undefined, step: string, phase: Phase): boolean {
  if (!order || !isMeant(order, path, step, phase)) return false
  leftToPass -= 1
  return leftToPass === 0
}

function die(): never {
  process.kill(process.pid, 'SIGKILL')
  throw new Error('still alive')
}

/** Send this text instead of the statement's, with its parameters or, for what we add, none. */
type Run = (sql: string, parameters: 'same' | 'none') => Promise<unknown>

let toPrepare = broken?.prepare

/** Send a statement, with everything that is ordered around it. */
async function step(sql: string, run: Run): Promise<unknown> {
  const name = nameOf(sql)
  const walk = walkOf(name)
  const times = (walk.met.get(name) ?? 0) + 1
  walk.met.set(name, times)
  const reached = times === 1 ? name : `${name} ${times}`
  if (trace && walk.path) process.send?.({ path: walk.path, step: reached })

  if (isTheEnd(walk.path, reached, 'before')) die()
  if (toPrepare !== undefined && walk.path === 'fire') {
    const statement = toPrepare
    toPrepare = undefined
    await run(statement, 'none')
  }
  const running = run(broken?.rewrite?.(sql) ?? sql, 'same')
  if (isTheEnd(walk.path, reached, 'during')) setImmediate(die)
  const result = await running
  if (broken?.commitsAfter?.(sql)) {
    await run('COMMIT', 'none')
    await run('BEGIN', 'none')
  }
  if (isTheEnd(walk.path, reached, 'after')) die()
  return result
}

type Query = (this: object, statement: unknown, ...rest: unknown[]) => unknown

/** What the driver takes instead of a text: with parameters, and prepared under a name. */
interface Statement {
  text: string
  name?: string
}

/** @param prototype of the driver's client, which both engines have */
function standBefore(prototype: { query: unknown }): void {
  const original = prototype.query as Query
  const replacement: Query = function (statement, ...rest) {
    const asksForCallback = rest.some(argument => typeof argument === 'function')
    const text = typeof statement === 'string' ? statement : (statement as Statement).text
    if (typeof text !== 'string' || asksForCallback) return original.call(this, statement, ...rest)
    return step(text, async (given, parameters) => {
      if (parameters === 'none') return original.call(this, given)
      if (given === text) return original.call(this, statement, ...rest)
      if (typeof statement === 'string') return original.call(this, given, ...rest)
      // Under its name another text is known.
      const { name: _, ...unnamed } = statement as Statement
      return original.call(this, { ...unnamed, text: given }, ...rest)
    })
  }
  Object.defineProperty(prototype, 'query', { value: replacement, writable: true })
}

standBefore((await import('pg')).default.Client.prototype)

const emit = Server.prototype.emit as (this: Server, ...args: unknown[]) => boolean
Server.prototype.emit = function (this: Server, ...args: unknown[]) {
  if (args[0] !== 'request') return emit.apply(this, args)
  const [, request, response] = args as [string, IncomingMessage, ServerResponse]
  const walk = newWalk(pathOf(request.method, request.url))
  response.once('finish', () => {
    walk.isOver = true
    if (trace && walk.path) process.send?.({ path: walk.path, step: answer })
    if (isTheEnd(walk.path, answer, 'after')) die()
  })
  response.once('close', () => {
    walk.isOver = true
  })
  return requests.run(walk, () => emit.apply(this, args))
} as typeof Server.prototype.emit
