import type { InteropClient } from './interop/client.js'

/**
 * The body of a request that a client would send, and does not. The client reads as somebody else, who may read all
 * that goes into it.
 */
export async function draft(
  by: InteropClient,
  reader: InteropClient,
  act: (client: InteropClient) => Promise<unknown>
): Promise<unknown> {
  let body: unknown
  const read = reader.raw.bind(reader)
  const raw: InteropClient['raw'] = (method, path, what = {}) => {
    if (method === 'GET' || path.startsWith('/v1/users/chains')) return read(method, path, what)
    body = what.body
    return Promise.resolve({ status: 599, headers: {}, body: undefined as never })
  }
  Object.defineProperty(by, 'raw', { value: raw, configurable: true })
  try {
    await act(by)
  } finally {
    Reflect.deleteProperty(by, 'raw')
  }
  return body
}
