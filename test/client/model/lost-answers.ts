import { problem } from '../../support/fake-answers.js'
import type { Lie } from '../../support/fake-server.js'
import type { World } from './world.js'

/** While `work` runs, requests that change something end with a failure, before or after they took effect. */
export async function lose(
  { server }: World,
  when: 'before' | 'after',
  work: () => Promise<unknown>
): Promise<unknown> {
  const lie: Lie = async ({ method, path, honest }) => {
    if (method === 'GET' || /^\/v1\/(auth|users\/chains)/.test(path)) return undefined
    if (when === 'after') await honest()
    return problem('database-unavailable')
  }
  server.lies.unshift(lie)
  try {
    return await work()
  } finally {
    server.lies.splice(server.lies.indexOf(lie), 1)
  }
}
