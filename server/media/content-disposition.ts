/** Whether a browser may show a file, and under which name it saves it. */

/**
 * What may be shown: nothing that runs scripts.
 * Spec: Client-Server API "Serving inline content"
 */
const shown = new Set([
  ...['text/css', 'text/plain', 'text/csv', 'application/json', 'application/ld+json'],
  ...['jpeg', 'gif', 'png', 'apng', 'webp', 'avif'].map(name => `image/${name}`),
  ...['mp4', 'webm', 'ogg', 'quicktime'].map(name => `video/${name}`),
  ...['mp4', 'webm', 'aac', 'mpeg', 'ogg', 'wave', 'wav'].map(name => `audio/${name}`),
  ...['x-wav', 'x-pn-wav', 'flac', 'x-flac'].map(name => `audio/${name}`),
])

/**
 * A `Content-Disposition` header. A name that ASCII has not is there twice: as RFC 8187 writes it,
 * and, for those who cannot read that, with _ for what is missing.
 *
 * Source: RFC 6266
 */
export function contentDisposition(contentType: string, fileName: string | undefined): string {
  const [type = ''] = contentType.split(';')
  const disposition = shown.has(type.trim().toLowerCase()) ? 'inline' : 'attachment'
  if (!fileName) return disposition
  const ascii = fileName.replace(/[^\x20-\x7e]/gu, '_')
  const plain = `${disposition}; filename="${ascii.replace(/["\\]/g, '\\$&')}"`
  return ascii === fileName ? plain : `${plain}; filename*=utf-8''${percentEncoded(fileName)}`
}

/** RFC 8187 allows less than encodeURIComponent leaves alone. */
function percentEncoded(text: string): string {
  return encodeURIComponent(text).replace(
    /['()*]/g,
    character => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  )
}
