import { connect } from 'node:tls'
import { warning, type Check } from './check.js'
import { isOnThisMachine } from '../profile.js'

const TIMEOUT_MS = 10_000
const DAY_MS = 24 * 3600 * 1000
/** Automatic renewal leaves at least this much. */
const SOON_DAYS = 14

/** Check that the connection is encrypted, and will be next week. @throws the TLS library's objection */
export async function checkTls(url: string, signal: AbortSignal): Promise<string | Omit<Check, 'check'>> {
  const { protocol, hostname, port } = new URL(url)
  if (protocol === 'http:')
    return isOnThisMachine(url)
      ? 'not needed: the server is on this machine'
      : warning(
          'there is none: anybody on the way can read your password',
          'Put a proxy with TLS in front of the server (docs/operations.md).'
        )
  const until = await certificateEnd(
    hostname.replace(/^\[|\]$/g, ''),
    port === '' ? 443 : Number(port),
    signal
  )
  const days = Math.floor((until.getTime() - Date.now()) / DAY_MS)
  const message = `the certificate is valid until ${until.toISOString().slice(0, 10)}, for ${days} days`
  if (days >= SOON_DAYS) return message
  return warning(message, 'The operator of the server should renew it now.')
}

/** When the server's certificate ends. @throws if it is not valid for that server */
function certificateEnd(host: string, port: number, signal: AbortSignal): Promise<Date> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, servername: /[^\d.:]/.test(host) ? host : '', timeout: TIMEOUT_MS })
    const stop = () => socket.destroy(new Error('Stopped.'))
    signal.addEventListener('abort', stop, { once: true })
    socket
      .once('secureConnect', () => {
        resolve(new Date(socket.getPeerCertificate().valid_to))
        socket.end()
      })
      .once('timeout', () => socket.destroy(new Error(`No answer in ${TIMEOUT_MS / 1000} seconds.`)))
      .once('error', reject)
      .once('close', () => signal.removeEventListener('abort', stop))
  })
}
