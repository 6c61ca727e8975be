/**
 * Whoever waits for the same thing goes together: what is asked for while others are being served is
 * gathered, and served in one go. Nobody waits for company: when nothing is under way, one goes
 * alone, at once.
 */

export interface Going<In> {
  /** At most so many go together. */
  most: number
  /** At most so many goes are under way at the same time. */
  atOnce: number
  /** What has the same key is never under way in two goes at the same time. */
  keyOf?: (input: In) => string
}

interface Waiting<In, Out> {
  input: In
  resolve: (output: Out) => void
  reject: (error: Error) => void
}

export class Together<In, Out> {
  readonly #serve: (inputs: readonly In[]) => Promise<readonly (Out | Error)[]>
  readonly #going: Going<In>
  #waiting: Waiting<In, Out>[] = []
  #underWay = 0
  readonly #busyKeys = new Set<string>()
  #isCalled = false

  /**
   * @param serve gives for each input its output, or the error that only that one deserves. If it
   *   throws it must have done nothing: then each is served alone, so that nobody suffers for another.
   */
  constructor(
    serve: (inputs: readonly In[]) => Promise<readonly (Out | Error)[]>,
    going: Going<In>,
  ) {
    this.#serve = serve
    this.#going = going
  }

  do(input: In): Promise<Out> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ input, resolve, reject })
      this.#call()
    })
  }

  /** When all that has come in this turn of the event loop has been read. */
  #call(): void {
    if (this.#isCalled || this.#underWay === this.#going.atOnce) return
    this.#isCalled = true
    setImmediate(() => {
      this.#isCalled = false
      while (this.#underWay < this.#going.atOnce) {
        const group = this.#take()
        if (group.length === 0) return
        void this.#go(group)
      }
    })
  }

  /** In the order in which they came, and as many as may go. */
  #take(): Waiting<In, Out>[] {
    const { most, keyOf } = this.#going
    const isFree = ({ input }: Waiting<In, Out>) => !keyOf || !this.#busyKeys.has(keyOf(input))
    const group: Waiting<In, Out>[] = []
    const rest: Waiting<In, Out>[] = []
    for (const one of this.#waiting) {
      if (group.length < most && isFree(one)) group.push(one)
      else rest.push(one)
    }
    this.#waiting = rest
    return group
  }

  async #go(group: readonly Waiting<In, Out>[]): Promise<void> {
    const inputs = group.map(({ input }) => input)
    const { keyOf } = this.#going
    const keys = new Set(keyOf ? inputs.map(keyOf) : [])
    for (const key of keys) this.#busyKeys.add(key)
    this.#underWay += 1
    const outputs = await this.#outputsOf(inputs)
    this.#underWay -= 1
    for (const key of keys) this.#busyKeys.delete(key)
    group.forEach(({ resolve, reject }, i) => {
      const output = outputs[i]
      if (output instanceof Error) reject(output)
      else resolve(output as Out)
    })
    if (this.#waiting.length > 0) this.#call()
  }

  async #outputsOf(inputs: readonly In[]): Promise<readonly (Out | Error)[]> {
    try {
      return await this.#serve(inputs)
    } catch (error) {
      if (inputs.length === 1) return [error as Error]
      const outputs: (Out | Error)[] = []
      for (const input of inputs) outputs.push(...(await this.#outputsOf([input])))
      return outputs
    }
  }
}
