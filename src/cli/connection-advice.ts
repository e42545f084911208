/** The certificate is signed by nobody whom Node.js knows. */
const UNKNOWN_CA = [
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE'
]

/** What helps if there is no connection, by the code that Node.js gives; undefined if the code says no more. */
export function connectionAdvice(error: unknown, url: string): string | undefined {
  const code = codeOf(error)
  if (UNKNOWN_CA.includes(code))
    return (
      `The certificate of ${url} is of a CA that this program does not know. If it is your own, name the file of ` +
      'its certificate: NODE_EXTRA_CA_CERTS=/path/to/ca.pem'
    )
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID')
    return `The certificate is for another name than that in ${url}. Use the name that it is for.`
  if (code === 'CERT_HAS_EXPIRED' || code === 'CERT_NOT_YET_VALID')
    return `The certificate of ${url} is not valid today. Is the clock right? Else its operator has to renew it.`
  if (code === 'EPROTO' || code.startsWith('ERR_SSL_'))
    return `The server at ${url} does not speak TLS. Without TLS its address is ${url.replace(/^https:/, 'http:')}`
  // A server with TLS hangs up on plain HTTP. So does one that is stopped meanwhile.
  if (
    url.startsWith('http:') &&
    (code === 'UND_ERR_SOCKET' || code === 'ECONNRESET' || code.startsWith('HPE_'))
  )
    return `The server at ${url} has hung up. If it has TLS, its address is ${url.replace(/^http:/, 'https:')}`
  return undefined
}

/** The code of the innermost cause that has one in capitals, as those of Node.js are. */
function codeOf(error: unknown): string {
  let found = ''
  for (let cause = error, depth = 0; cause instanceof Error && depth < 5; cause = cause.cause, depth++) {
    const { code } = cause as { code?: unknown }
    if (typeof code === 'string' && /^[A-Z_\d]+$/.test(code)) found = code
  }
  return found
}
