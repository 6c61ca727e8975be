/** Many hostile requests to one server, all answers looked at. */
import type { GoodRequests } from './good-requests.ts'
import { type RawAnswer, type RawRequest, sendRaw } from './raw-http.ts'
import { complaintAbout, gist } from './refusals.ts'
import type { TestServer } from './server.ts'

export interface Attack {
  /** For the message of a test that fails. */
  what: string
  request: RawRequest
  /** `400 M_BAD_JSON`: nothing else will do. Or what status and errcode have to look like. */
  expected?: string | RegExp | undefined
}

const atOnce = 8

export class Attacker {
  readonly #server: TestServer
  readonly #good: GoodRequests

  constructor(server: TestServer, good: GoodRequests) {
    this.#server = server
    this.#good = good
  }

  /**
   * Send them all.
   *
   * @returns what is wrong with the answers, or with what became of the tables: what was refused
   *   must not have written anything
   */
  async run(attacks: readonly Attack[]): Promise<string[]> {
    const before = await this.#server.rowCounts()
    const answers = await this.#sendAll(attacks)
    const complaints = complaintsOf(attacks, answers)
    const refused = attacks.filter((_, i) => (answers[i]?.status ?? 0) >= 400)
    const written = await this.#written(before)
    if (written.length === 0 || refused.length === attacks.length)
      return [...complaints, ...written]

    // What was taken has written, too. Only the others, then, once more.
    const between = await this.#server.rowCounts()
    await this.#sendAll(refused)
    return [...complaints, ...(await this.#written(between))]
  }

  /** As {@link run}, without a look at the tables. */
  async survive(attacks: readonly Attack[]): Promise<string[]> {
    return complaintsOf(attacks, await this.#sendAll(attacks))
  }

  async #written(before: Record<string, number>): Promise<string[]> {
    const after = await this.#server.rowCounts()
    return Object.keys(after)
      .filter(table => after[table] !== before[table])
      .map(table => `${table} had ${before[table]} rows and has ${after[table]}`)
  }

  async #sendAll(attacks: readonly Attack[]): Promise<RawAnswer[]> {
    const answers: RawAnswer[] = []
    // A logout that succeeds would spoil all that follow.
    const width = attacks.some(({ request }) => request.path.includes('/logout')) ? 1 : atOnce
    for (let from = 0; from < attacks.length; from += width) {
      if (width === 1) await this.#good.logInAgain()
      const batch = attacks.slice(from, from + width)
      answers.push(...(await Promise.all(batch.map(({ request }) => this.#send(request)))))
    }
    if (width === 1) await this.#good.logInAgain()
    return answers
  }

  #send(request: RawRequest): Promise<RawAnswer> {
    const token = request.token === 'alice' ? this.#good.token : request.token
    return sendRaw(this.#server.baseUrl, { ...request, token })
  }
}

function complaintOf(
  { what, request, expected }: Attack,
  answer: RawAnswer | undefined,
): string | [] {
  if (!answer) return `${what}: no answer`
  const complaint = complaintAbout(answer)
  const unexpected = isAsExpected(gist(answer), expected) ? [] : `${answer.text}, not ${expected}`
  const wrong = complaint ?? unexpected
  if (typeof wrong !== 'string') return []
  return `${what}: ${request.method} ${request.path.slice(0, 300)}: ${wrong}`
}

const isAsExpected = (seen: string, expected: Attack['expected']) =>
  expected instanceof RegExp ? expected.test(seen) : expected === undefined || seen === expected

const complaintsOf = (attacks: readonly Attack[], answers: readonly RawAnswer[]) =>
  attacks.flatMap((attack, i) => complaintOf(attack, answers[i]))
