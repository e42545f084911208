import { request, type ClientRequest, type IncomingHttpHeaders, type IncomingMessage } from 'node:http'
import { eventually } from './eventually.js'
import type { Scope } from './server-process.js'

/**
 * One connection to `/v1/events`, as its bytes come; it can stop reading, as a client does that has too much
 * to do.
 */
export class PlainStream {
  text = ''
  status = 0
  headers: IncomingHttpHeaders = {}
  over = false
  readonly #request: ClientRequest
  #response: IncomingMessage | undefined

  constructor(
    url: string,
    token: string,
    headers: Readonly<Record<string, string>> = {},
    path = '/v1/events'
  ) {
    const authorization = `Bearer ${token}`
    this.#request = request(new URL(path, url), { agent: false, headers: { authorization, ...headers } })
    this.#request.on('error', () => (this.over = true))
    this.#request.on('response', (response) => {
      this.#response = response
      this.status = response.statusCode ?? 0
      this.headers = response.headers
      response.setEncoding('utf8')
      response.on('data', (text: string) => (this.text += text))
      response.on('error', () => undefined)
      response.on('close', () => (this.over = true))
    })
    this.#request.end()
  }

  /** Resolves when the text holds all these. */
  says(...parts: readonly string[]): Promise<void> {
    const all = () => parts.every((part) => this.text.includes(part))
    return eventually(all, `${parts.join()} in ${JSON.stringify(this.text.slice(-500))}`)
  }

  stopReading(): void {
    this.#response?.pause()
  }

  readOn(): void {
    this.#response?.resume()
  }

  leave(): void {
    this.#request.destroy()
  }
}

/** A stream that has said `ready`, and is left with the test. */
export async function plainStream(
  owner: Scope,
  { base, accessToken }: { readonly base: string; readonly accessToken: string | undefined },
  headers: Readonly<Record<string, string>> = {},
  path = '/v1/events'
): Promise<PlainStream> {
  const stream = new PlainStream(base, accessToken!, headers, path)
  owner.teardown(() => stream.leave())
  await stream.says('event: ready\n')
  return stream
}
