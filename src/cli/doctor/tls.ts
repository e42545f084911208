import { connect } from 'node:tls'
import { warning, type Check } from './check.js'
import { isOnThisMachine } from '../profile.js'

const TIMEOUT_MS = 10_000
const DAY_MS = 24 * 3600 * 1000
/** Whoever renews certificates by a timer has done so by then. */
const SOON_DAYS = 14

/** Whether the way to a server is encrypted, and will be next week. @throws what the TLS library says against it */
export async function checkTls(url: string, signal: AbortSignal): Promise<string | Omit<Check, 'check'>> {
  const { protocol, hostname, port } = new URL(url)
  if (protocol === 'http:')
    return isOnThisMachine(url)
      ? 'none is needed: the server is on this machine'
      : warning(
          'others on the way see your password',
          'Put a proxy with TLS before the server (docs/operations.md).'
        )
  const until = await certificateEnd(
    hostname.replace(/^\[|\]$/g, ''),
    port === '' ? 443 : Number(port),
    signal
  )
  const days = Math.floor((until.getTime() - Date.now()) / DAY_MS)
  const message = `the certificate is good until ${until.toISOString().slice(0, 10)}, ${days} days`
  if (days >= SOON_DAYS) return message
  return warning(message, 'Whoever runs the server should renew it now.')
}

/** When the certificate ends that a server shows, and that is valid for it. */
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
