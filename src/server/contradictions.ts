import type { Secret } from './environment.js'

interface Values {
  DATABASE_TLS: string
  DATABASE_TLS_CA: string | undefined
  DATABASE_URL: Secret | undefined
  DATABASE_DIRECT_URL: Secret | undefined
  REDIS_URL: Secret | undefined
  WORKERS: number
}

/**
 * Mistakes in values of which each is right by itself.
 *
 * @param hasDatabaseUrl whether DATABASE_URL is set. It has no value if it is wrong by itself.
 */
export function contradictions(values: Partial<Values>, hasDatabaseUrl: boolean): string[] {
  const mistakes: string[] = []
  const { DATABASE_TLS: tls, WORKERS: workers = 1 } = values
  const saysTls = tls !== undefined && tls !== 'url'
  if (values.DATABASE_TLS_CA !== undefined && tls !== 'verify')
    mistakes.push('DATABASE_TLS_CA needs DATABASE_TLS=verify')
  if (saysTls)
    for (const name of ['DATABASE_URL', 'DATABASE_DIRECT_URL'] as const)
      for (const parameter of tlsParameters(values[name]))
        mistakes.push(
          `${name} has \`${parameter}\`, and DATABASE_TLS=${tls} speaks of TLS too. ` +
            `Take \`${parameter}\` out of the URL, or set DATABASE_TLS=url`
        )
  if (!hasDatabaseUrl) {
    const embedded = 'the embedded database belongs to one process'
    if (saysTls) mistakes.push('DATABASE_TLS needs DATABASE_URL: no network leads to the embedded database')
    if (workers > 1) mistakes.push(`WORKERS needs DATABASE_URL: ${embedded}`)
    if (values.REDIS_URL !== undefined) mistakes.push(`REDIS_URL needs DATABASE_URL: ${embedded}`)
    if (values.DATABASE_DIRECT_URL !== undefined)
      mistakes.push('DATABASE_DIRECT_URL needs DATABASE_URL, the address of the pooler')
  }
  return mistakes
}

/** The parameters of a database's URL that say how TLS is used. */
function tlsParameters(url: Secret | undefined): string[] {
  if (url === undefined) return []
  return [...new URL(url.reveal()).searchParams.keys()].filter((name) => /^(ssl|uselibpqcompat$)/.test(name))
}
