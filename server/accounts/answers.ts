/**
 * What requests with a transaction id were answered before. Nearly all are new, and the database is
 * not asked about those: which ones a device has made is read once, and remembered in outline.
 *
 * Whoever is wrongly taken for new finds their answer when they come to store another (`once.ts`).
 */

import type { Db, Tx } from '../../db/transaction.ts'
import {
  type AnswerKey,
  type Device,
  selectAnsweredPaths,
  selectAnswers,
} from '../../db/transaction-ids.ts'
import { BloomFilter } from '../lib/bloom-filter.ts'
import type { JsonObject } from '../lib/json.ts'
import { type Going, Together } from '../lib/together.ts'

/** 2 MB. */
const log2Bits = 24
/** Of more the outline would be too vague; it is begun anew. */
const mostOutlined = 2 ** 20
const mostDevices = 2 ** 17
/** About a device that has made more, the database is asked each time. */
const mostOfDevice = 10_000

export class Answers {
  readonly #outline = new BloomFilter(log2Bits)
  /** Whose requests are all in the outline. */
  readonly #outlined = new Set<string>()
  readonly #requests: Together<Device, string[]>
  readonly #answers: Together<AnswerKey, JsonObject | undefined>

  constructor(db: Db, going: Going<unknown>) {
    const { most, atOnce } = going
    this.#requests = new Together(devices => selectAnsweredPaths(db, devices, mostOfDevice + 1), {
      most,
      atOnce,
    })
    this.#answers = new Together(async keys => (await selectAnswers(db, keys)).map(parsed), {
      most,
      atOnce,
    })
  }

  /** Undefined: it is new. */
  async find(key: AnswerKey): Promise<JsonObject | undefined> {
    if (!this.#outlined.has(nameOf(key)) && !(await this.#outlineAll(key))) {
      return this.stored(key)
    }
    return this.#outline.mayHave(textOf(key)) ? this.stored(key) : undefined
  }

  /** As the database has it. */
  stored(key: AnswerKey): Promise<JsonObject | undefined> {
    return this.#answers.do(key)
  }

  /** These are being answered in a transaction. */
  note(tx: Tx, keys: readonly AnswerKey[]): void {
    tx.onEnd(committed => {
      if (committed) this.#add(keys)
    })
  }

  /** @returns whether all that the device has made is in the outline now */
  async #outlineAll(device: Device): Promise<boolean> {
    const paths = await this.#requests.do(device)
    if (paths.length > mostOfDevice) return false
    const { userId, deviceId } = device
    this.#add(paths.map(path => ({ userId, deviceId, path })))
    this.#outlined.add(nameOf(device))
    return true
  }

  #add(keys: readonly AnswerKey[]): void {
    const isFull =
      this.#outline.size + keys.length > mostOutlined || this.#outlined.size > mostDevices
    if (isFull) {
      this.#outline.clear()
      this.#outlined.clear()
    }
    for (const key of keys) this.#outline.add(textOf(key))
  }
}

const nameOf = ({ userId, deviceId }: Device) => `${userId} ${deviceId}`
const textOf = (key: AnswerKey) => `${nameOf(key)} ${key.path}`

function parsed(answer: string | undefined): JsonObject | undefined {
  return answer === undefined ? undefined : (JSON.parse(answer) as JsonObject)
}
