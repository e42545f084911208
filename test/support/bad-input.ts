import { createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { sql } from 'drizzle-orm'
import type { Test } from 'tap'
import type { Services } from '../../src/server/services.js'
import { cheapRsa } from './cheap-keys.js'
import { startChat, type Chat } from './start-chat.js'
import { badHeaders } from './security-headers.js'
import { fingerprint, type DeviceKeys } from './interop/crypto.js'
import type { InteropOptions } from './interop/account.js'
import { expect, type Answer } from './interop/http.js'
import { InteropClient } from './interop/client.js'

/**
 * A request that is refused: what is wrong with it, the refusal (`409 id-conflict`), and what the answer
 * contains.
 */
export type Case = readonly [
  wrong: string,
  expected: `${4 | 5}${number} ${string}`,
  request: () => Promise<Answer<unknown>>,
  says?: RegExp | Record<string, unknown>
]

export interface Target extends Chat {
  /** Lines of the log: warnings and errors only. */
  log: string[]
  /** Another device, of another user or the same, that is not registered. */
  device: (username: string, options?: InteropOptions) => Promise<InteropClient>
  /**
   * Each request is refused with a whole problem document, and nothing that is stored has changed after them.
   */
  refuses: (t: Test, cases: readonly Case[]) => Promise<void>
}

/** The same as `startChat`, for invalid requests: it keeps the log, and keys of its users cost nothing. */
export async function startTarget(t: Test, env: Record<string, string> = {}): Promise<Target> {
  const log: string[] = []
  const chat = await startChat(
    t,
    { LOG_LEVEL: 'warn', ...env },
    { write: (line: string) => void log.push(line) }
  )
  const stored = await storeReader(chat.services)
  const device: Target['device'] = async (username, options = {}) => {
    const client = await InteropClient.create(chat.url, username, { keys: cheapKeys(), ...options })
    t.teardown(() => client.close())
    return client
  }
  return {
    ...chat,
    log,
    device,
    async user(name) {
      const client = await device(name)
      expect(await client.register(), 201)
      return client
    },
    async refuses(t, cases) {
      const before = await stored()
      for (const [wrong, expected, request, says] of cases) {
        const answer = await request()
        const fault = faultOf(answer, expected, says)
        if (fault === null) t.pass(`${wrong} → ${expected}`)
        else t.fail(`${wrong}: ${fault}`, { answer: answer.body, status: answer.status })
      }
      t.strictSame(await stored(), before, 'nothing that is stored has changed')
    }
  }
}

/** Traces of the inside that no answer may bear. */
const LEAK =
  /\b(select|insert into|update|delete from)\b.*\b(from|set|values|where)\b|node_modules|pglite|\.js:\d/i

/** Why an answer is not the refusal that was expected; null if it is, in full form. */
export function faultOf(answer: Answer<unknown>, expected: string, says?: Case[3]): string | null {
  const body = answer.body as Record<string, unknown> | undefined
  const got = `${answer.status} ${String(body?.['type']).replace('/problems/', '')}`
  if (got !== expected) return `expected ${expected}, got ${got}`
  if (answer.headers['content-type'] !== 'application/problem+json; charset=utf-8')
    return `content-type ${answer.headers['content-type']}`
  if (answer.status === 401 && answer.headers['www-authenticate'] !== 'Bearer') return 'no WWW-Authenticate'
  const bad = badHeaders(answer.headers)
  if (bad.length > 0) return `headers: ${bad.join()}`
  const { title, status, detail, instance, errors } = body!
  if (typeof title !== 'string' || title === '') return 'no title'
  if (status !== answer.status) return `status ${String(status)} in the body`
  if (typeof detail !== 'string' || detail === '') return 'no detail'
  if (typeof instance !== 'string' || !/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(instance))
    return 'no instance'
  const located = Array.isArray(errors) && errors.length > 0
  if (detail.includes('`errors`') && !located) return 'the detail points to errors that are not there'
  const text = JSON.stringify(body)
  if (LEAK.test(text)) return 'the answer tells about the inside'
  if (says instanceof RegExp && !says.test(text)) return `the answer does not say ${String(says)}`
  if (says === undefined || says instanceof RegExp) return null
  const different = Object.entries(says).filter(
    ([name, value]) => JSON.stringify(body![name]) !== JSON.stringify(value)
  )
  return different.length === 0
    ? null
    : `the answer does not say ${JSON.stringify(Object.fromEntries(different))}`
}

/** The body of an answer without the id of the request. */
export function said({ body }: Answer<unknown>): Record<string, unknown> {
  return { ...(body as Record<string, unknown>), instance: null }
}

/** Processes renew their leases and exchange their counts all the time. */
const EPHEMERAL = ['attempts', 'processes', 'presence']

/** Reads all that is stored: for each table its number of rows and a digest of them. */
async function storeReader({ db }: Services): Promise<() => Promise<Record<string, string>>> {
  const tables = (await db.execute(
    sql`select table_name as name from information_schema.tables where table_schema = 'public' order by 1`
  )) as { rows: { name: string }[] }
  const digests = tables.rows
    .filter(({ name }) => !EPHEMERAL.includes(name))
    .map(
      ({ name }) => `select '${name}' as name, count(*) || ' rows, ' ||
        md5(coalesce(string_agg(x::text, ' ' order by x::text), '')) as digest from "${name}" x`
    )
  const query = sql.raw(digests.join(' union all '))
  return async () => {
    const { rows } = (await db.execute(query)) as { rows: { name: string; digest: string }[] }
    return Object.fromEntries(rows.map(({ name, digest }) => [name, digest]))
  }
}

/** A device's keys, of which only the signing key works. Without `kemKey` it has no KEM key. */
export function cheapKeys(
  options: { signing?: KeyObject; encryptionKey?: string; kemKey?: string } = {}
): DeviceKeys {
  const { signing = generateKeyPairSync('ed25519').privateKey, encryptionKey = cheapRsa(), kemKey } = options
  const signingKey = createPublicKey(signing).export({ type: 'spki', format: 'pem' }).toString()
  return {
    signingPrivate: signing,
    signingKey,
    signingFp: fingerprint(signingKey),
    encryptionPrivate: signing,
    encryptionKey,
    encryptionFp: fingerprint(encryptionKey),
    ...(kemKey !== undefined && { kemKey })
  }
}

/** Every way to get the form of a statement wrong that does not depend on its kind. */
export function malformed(text: string): [wrong: string, text: string][] {
  const lines = text.slice(0, -1).split('\n')
  const join = (changed: readonly string[]) => `${changed.join('\n')}\n`
  const nameOf = (line: string) => line.split(' ', 1)[0]!
  // One of two members may be left out.
  const due = (line: string) => lines.filter((other) => nameOf(other) === nameOf(line)).length === 1
  const swapped = [...lines]
  ;[swapped[1], swapped[2]] = [swapped[2]!, swapped[1]!]
  const digest = /\b[0-9a-f]{64}\b/
  const uuid = /\b[0-9a-f]{8}-[0-9a-f-]{27}\b/
  return [
    ...lines.flatMap((line, at): [string, string][] => [
      ...(due(line)
        ? [[`without \`${nameOf(line)}\``, join(lines.toSpliced(at, 1))] as [string, string]]
        : []),
      [`with \`${line.slice(0, 24)}\` twice`, join(lines.toSpliced(at, 0, line))]
    ]),
    ['with a line too many', join([...lines, 'note hello'])],
    ['with lines out of order', join(swapped)],
    ['of another protocol version', text.replace('secure-chat/v1 ', 'secure-chat/v2 ')],
    ['of no known kind', text.replace(/^(\S+) \S+/, '$1 device-dance')],
    ['with a hash in upper case', text.replace(digest, (hash) => hash.replace(/^./, 'A').toUpperCase())],
    ['with a hash that is too short', text.replace(digest, (hash) => hash.slice(1))],
    ['with an id in upper case', text.replace(uuid, (id) => id.replace(/^./, 'A').toUpperCase())],
    ['with a username in upper case', text.replace(/^(user|member) [a-z]/m, (line) => line.toUpperCase())],
    ['with a name in upper case', text.replace(/\n[a-z]/, (name) => name.toUpperCase())],
    ['with CRLF for LF', text.replaceAll('\n', '\r\n')],
    ['with CR for LF', text.replaceAll('\n', '\r')],
    ['with a space at the end of a line', text.replace(/\n$/, ' \n')],
    ['with a space at the beginning of a line', text.replace('\n', '\n ')],
    ['with two spaces for one', text.replace(/\n(\S+) /, '\n$1  ')],
    ['with a tab for a space', text.replace(/\n(\S+) /, '\n$1\t')],
    ['without the last LF', text.slice(0, -1)],
    ['with an LF too many', `${text}\n`],
    ['with an empty line in between', text.replace('\n', '\n\n')],
    ['with an LF before all', `\n${text}`],
    ['with a byte order mark', `\ufeff${text}`],
    ['with a NUL', text.replace(/\n$/, '\0\n')],
    ['with a letter that is not ASCII', text.replace(/\n$/, 'é\n')],
    ['with a lone surrogate', text.replace(/\n$/, '\ud800\n')],
    ['with nothing but an LF', '\n']
  ].filter((mutation): mutation is [string, string] => mutation[1] !== text)
}

/** Every way to get base64 wrong; `good` ends in one `=` at least. */
export function badBase64(good: string): [wrong: string, base64: string][] {
  const loose = good.replace(
    /[AEIMQUYcgkosw048](=+)$/,
    (end) => `${String.fromCharCode(end.charCodeAt(0) + 1)}${end.slice(1)}`
  )
  return [
    ['in the alphabet for URLs', `${good.slice(0, 4)}-_${good.slice(6)}`],
    ['without padding', good.replace(/=+$/, '')],
    ['with a space', `${good.slice(0, 4)} ${good.slice(5)}`],
    ['with a line break', `${good.slice(0, 4)}\n${good.slice(5)}`],
    ['with a NUL', `${good.slice(0, 4)}\0${good.slice(5)}`],
    ['with bits after the last byte', loose],
    ['with padding in the middle', `AA==${good.slice(4)}`],
    ['that is none', '!'.repeat(good.length)],
    ['that is empty', '']
  ]
}
