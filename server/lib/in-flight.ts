/** What is being done already need not be begun again: whoever wants the same waits for it. */
export class InFlight<T> {
  readonly #running = new Map<string, Promise<T>>()

  /** Run, unless what goes by the same key is running. */
  run(key: string, start: () => Promise<T>): Promise<T> {
    const running = this.#running.get(key)
    if (running) return running
    const started = start().finally(() => this.#running.delete(key))
    this.#running.set(key, started)
    return started
  }
}
