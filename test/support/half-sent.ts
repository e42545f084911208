import { request } from 'node:http'
import { once } from 'node:events'
import type { InteropClient } from './interop/client.js'

/**
 * Send a request without the last byte of its body.
 *
 * @returns once the server has its head: how to send the last byte, which brings the status and the code of the problem
 */
export async function halfSent(
  by: InteropClient,
  method: string,
  path: string,
  body: unknown
): Promise<() => Promise<string>> {
  const bytes = Buffer.from(JSON.stringify(body))
  const headers = {
    authorization: `Bearer ${by.accessToken}`,
    'content-type': 'application/json',
    'content-length': bytes.length,
    // The server says when it has read the head.
    expect: '100-continue'
  }
  const call = request(`${by.base}${path}`, { method, headers, agent: false })
  const outcome = new Promise<string>((resolve, reject) => {
    call.on('error', reject).on('response', (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (part: string) => (text += part))
      response.on('end', () => {
        const { type = '' } = JSON.parse(text || '{}') as { type?: string }
        resolve(`${response.statusCode} ${type.replace('/problems/', '')}`.trim())
      })
    })
  })
  call.flushHeaders()
  await once(call, 'continue')
  call.write(bytes.subarray(0, -1))
  return () => {
    call.end(bytes.subarray(-1))
    return outcome
  }
}
