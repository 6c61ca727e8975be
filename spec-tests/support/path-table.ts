/** Which of the declared paths a request is for. */

interface Entry<T> {
  pattern: RegExp
  /** How many segments are given by name: the path that names most is meant. */
  named: number
  value: T
}

/** Paths in the notation of OpenAPI, `{name}`, or of express, `:name` and `{/:optional}`. */
export class PathTable<T> {
  readonly #entries = new Map<string, Entry<T>[]>()

  add(method: string, path: string, value: T): void {
    const entries = this.#entries.get(method) ?? []
    for (const form of formsOf(path)) {
      const segments = form.split('/').map(patternOf)
      const named = segments.filter(segment => !segment.startsWith('[')).length
      entries.push({ pattern: new RegExp(`^${segments.join('/')}/?$`), named, value })
    }
    entries.sort((a, b) => b.named - a.named)
    this.#entries.set(method, entries)
  }

  /** @param path as requested, without the query; a slash at its end does not matter */
  find(method: string, path: string): T | undefined {
    return this.#entries.get(method)?.find(entry => entry.pattern.test(path))?.value
  }
}

/** `/a{/:b}{/:c}` is `/a`, `/a/:b` and `/a/:b/:c`. */
function formsOf(path: string): string[] {
  const parts = path.replace(/\/$/, '').replaceAll('}', '').split('{/')
  return parts.map((_, index) => parts.slice(0, index + 1).join('/'))
}

function patternOf(segment: string): string {
  if (!/^[{:]/.test(segment)) return segment.replaceAll('.', '\\.')
  // The one that may be empty.
  return segment.endsWith('stateKey') ? '[^/]*' : '[^/]+'
}
