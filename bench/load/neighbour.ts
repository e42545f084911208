import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { Agent, request, type ClientRequest, type IncomingHttpHeaders, type IncomingMessage } from 'node:http'
import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { isLimit, retryTime, unlessLimited } from '../retry-time.js'

const MIB = 2 ** 20
const agent = new Agent({ keepAlive: true })

/** An account, and where its server is. */
export interface Account {
  port: number
  token: string
}

interface Answer {
  status: number
  headers: IncomingHttpHeaders
  bytes: number
}

/** Each does something dear, as fast as it may, until the end. @returns how often the server did not refuse it */
export const works = { lists, unfinishedBodies, backups, posts, logins, failedLogins }

type Works = typeof works
export type Work = { [W in keyof Works]: { work: W; plan: Parameters<Works[W]>[0] } }[keyof Works]

/** Pages of a list, four at a time. */
async function lists(
  { paths, ...to }: Account & { paths: readonly string[] },
  end: AbortSignal
): Promise<number> {
  let read = 0
  const list = async () => {
    for (let n = 0; !end.aborted; n++) {
      const answer = await unlessLimited(await send({ ...to, path: paths[n % paths.length]! }))
      if (answer === undefined) continue
      if (answer.bytes < 25_000) throw new Error(`a page of ${answer.bytes} bytes`)
      read++
    }
  }
  await Promise.all(Array.from({ length: 4 }, list))
  return read
}

/**
 * Bodies that come as a network brings them, a gigabit in a second. A body that the server refuses is not sent on: to copy 2 GB
 * that nobody reads would take more time than the server does.
 */
async function unfinishedBodies({ port, token }: Account, end: AbortSignal): Promise<number> {
  const head = ['POST /v1/conversations HTTP/1.1', 'Host: bench', `Authorization: Bearer ${token}`]
  const type = ['Content-Type: application/json', `Content-Length: ${16 * MIB}`, '', '']
  const piece = Buffer.alloc(MIB / 8, ' ')
  const bodies = Array.from({ length: 120 }, () => {
    const socket = connect(port, '127.0.0.1')
      .on('error', () => undefined)
      .resume()
    socket.write([...head, ...type].join('\r\n'))
    return { socket, left: 16 * MIB - 1 }
  })
  for (let n = 0; !end.aborted; n++) {
    const body = bodies[n % bodies.length]!
    const size = Math.min(piece.length, body.left)
    if (body.socket.writable && size > 0) {
      body.socket.write(piece.subarray(0, size))
      body.left -= size
      await sleep(1)
    } else if (n % bodies.length === 0) await sleep(1)
  }
  for (const { socket } of bodies) socket.destroy()
  // The server has taken half of them or more.
  return bodies.filter(({ left }) => left < 8 * MIB).length
}

/** The tag of the backup that this process stored last. */
let etag: string | undefined

async function backups(account: Account, end: AbortSignal): Promise<number> {
  let stored = 0
  while (!end.aborted) {
    const given = etag === undefined ? { 'if-none-match': '*' } : { 'if-match': etag }
    const answer = await unlessLimited(await putBackup(account, given))
    if (answer === undefined) continue
    stored++
    etag = answer.headers.etag
  }
  return stored
}

/** Sends 1 MiB in pieces, as a network does, and stops if it is refused meanwhile. */
async function putBackup(account: Account, given: Record<string, string>): Promise<Answer> {
  const type = { 'content-type': 'application/octet-stream', 'content-length': String(MIB) }
  const sending = begin({
    ...account,
    method: 'PUT',
    path: '/v1/users/me/key-backup',
    headers: { ...given, ...type }
  })
  let answered = false
  const answer = answerTo(sending).finally(() => (answered = true))
  answer.catch(() => undefined)
  const piece = randomBytes(MIB / 16)
  let sent = 0
  for (; sent < MIB && !answered; sent += piece.length) {
    sending.write(piece)
    await sleep(1)
  }
  if (sent < MIB) sending.destroy()
  else sending.end()
  return answer
}

/** Posts one body after the other, the first after the last. */
async function posts(
  { bodies, ...to }: Account & { path: string; bodies: readonly string[] },
  end: AbortSignal
): Promise<number> {
  let accepted = 0
  for (let n = 0; !end.aborted; n++) {
    const answer = await unlessLimited(await send({ ...to, body: bodies[n % bodies.length]! }))
    if (answer !== undefined) accepted++
  }
  return accepted
}

/** Users with one password log in at once, again and again. Users who are refused come again after `Retry-After`. */
async function logins(
  { port, usernames, password }: { port: number; usernames: readonly string[]; password: string },
  end: AbortSignal
): Promise<number> {
  let succeeded = 0
  const log = async (username: string) => {
    while (!end.aborted) {
      const answer = await logIn(port, { username, password })
      if (answer.status === 200) succeeded++
      else if (isLimit(answer)) await retryTime(answer, end)
      else throw new Error(`a log-in was answered with ${answer.status}`)
    }
  }
  await Promise.all(usernames.map(log))
  return succeeded
}

/** Log-ins that have failed in this process: each is for another name and from another network, so that no limit of one ends it. */
let failed = 0

async function failedLogins({ port }: { port: number }, end: AbortSignal): Promise<number> {
  const attempts: Promise<Answer>[] = []
  for (; !end.aborted; failed++) {
    const network = `10.${failed >> 16}.${(failed >> 8) & 255}.${failed & 255}`
    const credentials = { username: `nobody${failed}`, password: 'a wrong password' }
    attempts.push(logIn(port, credentials, { 'x-forwarded-for': network }))
    await sleep(10)
  }
  return (await Promise.all(attempts)).filter(({ status }) => status === 401).length
}

function logIn(
  port: number,
  credentials: { username: string; password: string },
  headers: Record<string, string> = {}
): Promise<Answer> {
  return send({ port, path: '/v1/auth/login', headers, body: JSON.stringify(credentials) })
}

interface Sent {
  port: number
  path: string
  token?: string
  method?: string
  headers?: Record<string, string>
}

/** A GET, or a POST of a JSON body. */
function send({ body, ...to }: Sent & { body?: string }): Promise<Answer> {
  const type = { 'content-type': 'application/json' }
  const sending =
    body === undefined ? begin(to) : begin({ ...to, method: 'POST', headers: { ...to.headers, ...type } })
  return answerTo(sending.end(body))
}

function begin({ token, headers = {}, ...to }: Sent): ClientRequest {
  const authorization = token === undefined ? {} : { authorization: `Bearer ${token}` }
  const sending = request({ ...to, host: '127.0.0.1', agent, headers: { ...headers, ...authorization } })
  // One before the answer comes to those who wait for it, too.
  return sending.on('error', () => undefined)
}

/** The body is counted and not kept: to make a text of it would take time from those who are measured. */
async function answerTo(sending: ClientRequest): Promise<Answer> {
  const [answer] = (await once(sending, 'response')) as [IncomingMessage]
  let bytes = 0
  for await (const piece of answer as AsyncIterable<Buffer>) bytes += piece.length
  return { status: answer.statusCode!, headers: answer.headers, bytes }
}
