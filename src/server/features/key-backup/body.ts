import type { IncomingHttpHeaders } from 'node:http'
import { Problem } from '../../http/problem.js'
import type { App } from '../../http/app.js'

/** Have an app take bodies of bytes, and no others. */
export function onlyOctets(app: App): void {
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('application/octet-stream', { parseAs: 'buffer' }, (_request, body, done) =>
    done(null, body)
  )
  app.addContentTypeParser('*', (_request, _payload, done) => done(otherType()))
}

function otherType(): Problem {
  return new Problem('unsupported-media-type', 'Send the bytes as application/octet-stream.')
}

/** The body as it is to be stored. @throws {Problem} unless it is the whole of it, and not in another form */
export function readBlob(body: Uint8Array | undefined, headers: IncomingHttpHeaders): Buffer {
  if (headers['content-encoding'] !== undefined)
    throw new Problem('unsupported-media-type', 'Send the bytes without `Content-Encoding`.')
  if (headers['content-range'] !== undefined)
    throw new Problem('invalid-request', 'Send all bytes at once, without `Content-Range`.')
  if (body === undefined || body.length === 0)
    throw new Problem('invalid-request', 'The body is empty. DELETE removes a key backup.')
  return body as Buffer
}
