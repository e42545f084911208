import type { IncomingHttpHeaders } from 'node:http'
import { Problem } from '../../http/problem.js'
import type { App } from '../../http/app.js'

/** Accept bodies of bytes, and no others. */
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

/** The body as it is stored. @throws {Problem} if it is empty, encoded or only a part */
export function readBlob(body: Uint8Array | undefined, headers: IncomingHttpHeaders): Buffer {
  if (headers['content-encoding'] !== undefined)
    throw new Problem('unsupported-media-type', 'Send the bytes without `Content-Encoding`.')
  if (headers['content-range'] !== undefined)
    throw new Problem('invalid-request', 'Send all bytes at once, without `Content-Range`.')
  if (body === undefined || body.length === 0)
    throw new Problem('invalid-request', 'The body is empty. DELETE removes a key backup.')
  return body as Buffer
}
