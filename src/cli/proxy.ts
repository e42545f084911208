import { isOnThisMachine } from './profile.js'
import type { Io } from './terminal/io.js'

const VARIABLES = ['HTTP_PROXY', 'HTTPS_PROXY', 'http_proxy', 'https_proxy']
/** A proxy does not lead back to this machine. */
const HERE = ['localhost', '127.0.0.1', '::1']

/**
 * `fetch` through the proxy that the environment names (HTTP_PROXY, HTTPS_PROXY, NO_PROXY); undefined if it names
 * none. Node.js itself looks at these from version 24.5 on only, and only if it is told to.
 */
export async function proxiedFetch({ env }: Io): Promise<typeof globalThis.fetch | undefined> {
  if (!namesProxy(env)) return undefined
  // Few need it, and it takes long to load.
  const { EnvHttpProxyAgent, fetch } = await import('undici')
  const given = env['no_proxy'] ?? env['NO_PROXY'] ?? ''
  const httpProxy = env['http_proxy'] ?? env['HTTP_PROXY']
  const httpsProxy = env['https_proxy'] ?? env['HTTPS_PROXY']
  const dispatcher = new EnvHttpProxyAgent({
    noProxy: [given, ...HERE].filter(Boolean).join(','),
    ...(httpProxy && { httpProxy }),
    ...(httpsProxy && { httpsProxy })
  })
  const proxied: unknown = (url: string, init: object) => fetch(url, { ...init, dispatcher })
  return proxied as typeof globalThis.fetch
}

/** Whether requests to this address may go through a proxy. */
export function isProxied({ env }: Io, url: string): boolean {
  return namesProxy(env) && !isOnThisMachine(url)
}

function namesProxy(env: Io['env']): boolean {
  return VARIABLES.some((name) => env[name])
}
