import type { Server } from 'node:http'
import type { Scope } from './server-process.js'

type Operation = { responses: Record<string, unknown> }
export type Paths = Record<string, Record<string, Operation>>

/**
 * The test fails if a server answers with a status that its OpenAPI document does not name for the operation.
 */
export function requireDocumented(owner: Scope, server: Server, paths: Paths): void {
  const operationOf = operationFinder(paths)
  const unknown = new Set<string>()
  server.on('request', ({ method, url }, response) => {
    response.once('close', () => {
      const operation = operationOf(method!, url!)
      const status = String(response.statusCode)
      if (response.headersSent && operation !== undefined && !(status in operation.responses))
        unknown.add(`${method} ${url} answers ${status}`)
    })
  })
  owner.teardown(() => {
    if (unknown.size > 0) throw new Error(`openapi.json does not say that ${[...unknown].join(', ')}`)
  })
}

/** Finds the operation of a request. */
export function operationFinder(paths: Paths): (method: string, url: string) => Operation | undefined {
  const templates = Object.entries(paths)
    .map(([path, operations]) => ({ form: formOf(path), isFixed: !path.includes('{'), operations }))
    .sort((one, other) => Number(other.isFixed) - Number(one.isFixed))
  return (method, url) => {
    const path = url.split('?', 1)[0]!
    const found = templates.find(({ form }) => form.test(path))
    return found?.operations[method.toLowerCase()]
  }
}

function formOf(path: string): RegExp {
  return new RegExp(`^${path.replace(/\{\w+\}/g, '[^/]+')}$`)
}
