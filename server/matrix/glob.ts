/**
 * Glob patterns as push rules have them: `*` for any run of characters, `?` for any one, capitals
 * or not.
 *
 * All the places in the pattern at which a match could be are followed at once, character by
 * character. A regular expression would try them one after the other, and a pattern that a user may
 * choose, on a text that another may choose, could keep it busy for hours.
 *
 * Spec: Client-Server API "Push Notifications", "event_match"
 */

/** Whether the whole text matches. */
export function matchesGlob(text: string, pattern: string): boolean {
  return matches(text.toLowerCase(), pattern, false)
}

/** Whether a stretch of the text matches that begins and ends where words do. */
export function containsGlob(text: string, pattern: string): boolean {
  if (!/[*?]/.test(pattern)) return containsWord(text, pattern)
  return matches(text.toLowerCase(), pattern, true)
}

/** Whether the text has these very characters, beginning and ending where words do. */
export function containsWord(text: string, word: string): boolean {
  if (word === '') return false
  const [inText, wanted] = [text.toLowerCase(), word.toLowerCase()]
  for (let at = inText.indexOf(wanted); at >= 0; at = inText.indexOf(wanted, at + 1)) {
    if (isStartOfWord(inText, at) && isEndOfWord(inText, at + wanted.length)) return true
  }
  return false
}

const isWordCharacter = (character: string | undefined) =>
  character !== undefined && /[a-z0-9_]/.test(character)

/** What stands before `at` is nothing, or neither a letter, a digit nor an underscore. */
const isStartOfWord = (text: string, at: number) => !isWordCharacter(text[at - 1])
const isEndOfWord = (text: string, at: number) => !isWordCharacter(text[at])

/** Of a longer text only so much is held against a pattern: places times characters is the work. */
const mostCharacters = 8_192

/** @param text in lower case */
function matches(text: string, pattern: string, isAnywhere: boolean): boolean {
  const wanted = pattern.toLowerCase().replace(/\*+/g, '*')
  const end = wanted.length
  let places = new Uint8Array(end + 2)
  const length = Math.min(text.length, mostCharacters)
  for (let at = 0; at <= length; at++) {
    if (isAnywhere ? isStartOfWord(text, at) : at === 0) places[0] = 1
    const next = new Uint8Array(end + 2)
    const character = text[at]
    for (let place = 0; place < end; place++) {
      if (places[place] === 0) continue
      const expected = wanted[place]
      if (expected === '*') {
        // It stands for nothing, or for this character and perhaps more.
        places[place + 1] = 1
        next[place] = 1
      } else if (expected === '?' || expected === character) next[place + 1] = 1
    }
    const isEnd = isAnywhere ? isEndOfWord(text, at) : at === text.length
    if (isEnd && places[end] === 1) return true
    places = next
  }
  return false
}
