/**
 * One question for all who ask at the same moment.
 *
 * What is asked within one turn of the event loop is asked together, and what several ask is asked
 * once. Nothing is kept: no answer is older than any of those who are given it.
 */
import { setImmediate } from 'node:timers/promises'

export class Gather<Question, Answer> {
  readonly #keyOf: (question: Question) => string
  readonly #answerAll: (questions: readonly Question[]) => Promise<readonly Answer[]>
  #asked = new Map<string, Question>()
  #answers: Promise<ReadonlyMap<string, Answer>> | undefined

  /**
   * @param keyOf the same key: the same question
   * @param answerAll gives one answer for each, in their order. They are shared: nobody may change
   *   what they are given.
   */
  constructor(
    keyOf: (question: Question) => string,
    answerAll: (questions: readonly Question[]) => Promise<readonly Answer[]>,
  ) {
    this.#keyOf = keyOf
    this.#answerAll = answerAll
  }

  /** The answers to these, in their order. Rejects if any of what is asked at the moment fails. */
  async ask(questions: readonly Question[]): Promise<Answer[]> {
    if (questions.length === 0) return []
    const keys = questions.map(this.#keyOf)
    questions.forEach((question, i) => {
      this.#asked.set(keys[i] ?? '', question)
    })
    this.#answers ??= this.#answer()
    const answers = await this.#answers
    return keys.map(key => answers.get(key) as Answer)
  }

  async #answer(): Promise<ReadonlyMap<string, Answer>> {
    await setImmediate()
    const asked = this.#asked
    this.#asked = new Map()
    this.#answers = undefined
    const answers = await this.#answerAll([...asked.values()])
    return new Map([...asked.keys()].map((key, i) => [key, answers[i] as Answer]))
  }
}
