import { isIP } from 'node:net'
import type { FastifyRequest } from 'fastify'
import type { App } from './app.js'

declare module 'fastify' {
  interface FastifyRequest {
    /** Where the request comes from. Unlike `ip` it stays known when the client has gone. */
    address: string
  }
}

const HEADER = 'x-forwarded-for'

/**
 * Clean `X-Forwarded-For` before anybody reads the address of a request, and tell the operator once if it does not
 * count. The texts that a client made up stand to the left of those of the proxies, so the list is cut after the last
 * one that is no address. Without any the address is that of the connection.
 */
export function readForwarded(app: App): void {
  let isTold = false
  const read = (request: FastifyRequest): void => {
    const { headers } = request.raw
    const given = headers[HEADER]
    if (given === undefined) return
    const addresses = lastAddresses(String(given))
    if (addresses.length === 0) delete headers[HEADER]
    else headers[HEADER] = addresses.join(', ')
    const counts = (request.ips?.length ?? 1) > 1
    if (addresses.length > 0 && !counts && !isTold) {
      isTold = true
      request.log.warn(
        { peer: request.socket.remoteAddress },
        'X-Forwarded-For is ignored: TRUST_PROXY does not name the peer. ' +
          'If that is your proxy, name it: until then all users share its address, and its budget for log-ins.'
      )
    }
  }
  app.decorateRequest('address', '')
  app.addHook('onRequest', (request, _reply, done) => {
    read(request)
    // A socket that has closed by now has none.
    const { ip = '' }: { ip?: string } = request
    request.address = ip
    done()
  })
}

function lastAddresses(list: string): string[] {
  const found: string[] = []
  for (const text of list.split(',').reverse()) {
    const address = addressOf(text.trim())
    if (address === undefined) break
    found.unshift(address)
  }
  return found
}

/** `203.0.113.9`, `203.0.113.9:5000`, `2001:db8::1`, `[2001:db8::1]` or `[2001:db8::1]:5000`, as proxies write them. */
const FORMS = [/^([\d.]+)(?::\d+)?$/, /^\[([^\]%]+)(?:%[^\]]*)?\](?::\d+)?$/, /^([^%[\]]+)(?:%.*)?$/]

/** Without port, brackets and zone. */
function addressOf(text: string): string | undefined {
  for (const form of FORMS) {
    const address = form.exec(text)?.[1]
    if (address !== undefined && isIP(address) !== 0) return address
  }
  return undefined
}
