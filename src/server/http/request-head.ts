import type { App } from './app.js'
import { Problem } from './problem.js'

/**
 * Check what Node.js would refuse without a body, or let pass: an HTTP version before 1.0, a missing `Host`, and an
 * expectation that nobody meets.
 */
export function checkHeads(app: App): void {
  app.server.on('checkExpectation', (request, response) => app.server.emit('request', request, response))
  app.addHook('onRequest', ({ raw }, _reply, done) => {
    const { httpVersionMajor: major, httpVersionMinor: minor, headers } = raw
    if (major < 1)
      return done(new Problem('invalid-request', 'The request names no version of HTTP. Send HTTP/1.1.'))
    if (minor > 0 && headers.host === undefined)
      return done(new Problem('invalid-request', 'HTTP/1.1 needs a `Host` header. Send one.'))
    if (headers.expect !== undefined && headers.expect.toLowerCase() !== '100-continue')
      return done(new Problem('expectation-failed'))
    done()
  })
}
