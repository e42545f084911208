import { isUtf8 } from 'node:buffer'
import type { App } from './app.js'
import { Problem } from './problem.js'

/** Bytes that a body may have, unless its route says otherwise. */
export const BODY_LIMIT = 64 * 1024

/**
 * Accept JSON bodies, and no others. A request without a body may claim to be JSON: some clients always do.
 */
export function acceptJson(app: App): void {
  const parse = app.getDefaultJsonParser('error', 'error')
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (request, body: Buffer, done) => {
    if (body.length === 0) done(null, undefined)
    else if (!isUtf8(body)) done(new Problem('malformed-json', 'The body is not UTF-8.'))
    else if (body.length > BODY_LIMIT && hasTooManyValues(body))
      done(new Problem('payload-too-large', 'A body of this size must consist of larger values.'))
    else void parse(request, body.toString(), done)
  })
}

/**
 * Whether a large body holds more values than a valid one of its size can: parsing millions of tiny values
 * would block the process. The largest valid bodies consist of wraps, with three of these marks in 400 bytes.
 */
function hasTooManyValues(body: Buffer): boolean {
  let allowed = body.length / 64
  for (const mark of [',', '[', '{'])
    for (let at = body.indexOf(mark); at >= 0; at = body.indexOf(mark, at + 1)) if (--allowed < 0) return true
  return false
}
