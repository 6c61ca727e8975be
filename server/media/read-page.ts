/** What a web page says of itself: OpenGraph, and what there was before that. */

const maxTextLength = 1_000
const maxProperties = 50

/** OpenGraph's properties by name; at least `og:title` and `og:description` where there is any. */
export type Page = Record<string, string>

export async function readPage(html: string): Promise<Page> {
  // Only now: it takes a moment to load, and a server that previews nothing never needs it.
  const { Parser } = await import('htmlparser2')
  const properties: Page = {}
  const others: Record<string, string> = {}
  let title = ''
  let isInTitle = false
  const parser = new Parser({
    onopentag(name, { property, name: metaName, content, rel, href }) {
      isInTitle = name === 'title' && title === ''
      if (name === 'link' && rel === 'image_src' && href) others.image_src ??= href
      if (name !== 'meta' || !content) return
      const key = (property ?? metaName ?? '').toLowerCase()
      if (!key.startsWith('og:')) others[key] ??= content
      else if (Object.keys(properties).length < maxProperties && key.length < 100) {
        properties[key] ??= clean(content)
      }
    },
    ontext(text) {
      if (isInTitle && title.length < maxTextLength) title += text
    },
    onclosetag() {
      isInTitle = false
    },
  })
  parser.end(html)
  const instead: [string, string | undefined][] = [
    ['og:title', others['twitter:title'] ?? title],
    ['og:description', others['twitter:description'] ?? others.description],
    ['og:image', others['twitter:image'] ?? others.image_src],
  ]
  for (const [key, value] of instead) {
    const text = clean(value ?? '')
    if (text) properties[key] ??= text
  }
  return properties
}

/** One line, of what can be kept: neither NUL nor half a character. */
const clean = (text: string) =>
  text
    .replace(/[\s\0]+/g, ' ')
    .trim()
    .slice(0, maxTextLength)
    .replace(/\p{Surrogate}/gu, '\ufffd')
