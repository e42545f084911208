import t from 'tap'
import { CALLERS, startWorld, type Caller } from '../../support/callers.js'
import { call, newAgent, problem, type Answer } from '../../support/interop/http.js'
import { badHeaders } from '../../support/security-headers.js'
import { operationRequests } from '../../support/operations/all.js'
import type { OperationRequest } from '../../support/operations/request.js'
import type { ProblemCode } from '../../../src/protocol/problems.js'

/**
 * The status of each answer, with a letter for its problem. A dash means that the socket does not serve the call. A row
 * with `other` is about something of another user; the callers are in `test/support/callers.ts`, the requests in
 * `test/support/operations/`.
 */
const MATRIX = `
                         none junk  exp strg memb remv gadm pend nodv revk susp lgdo sadm stal sock
getHealth                 200  200  200  200  200  200  200  200  200  200  200  200  200  200    -
getReadiness              200  200  200  200  200  200  200  200  200  200  200  200  200  200    -
getServer                 200  200  200  200  200  200  200  200  200  200  200  200  200  200    -
register                  201  201  201  201  201  201  201  201  201  201  201  201  201  201    -
checkRegistration         204  204  204  204  204  204  204  204  204  204  204  204  204  204    -
refresh                  401r 401r  200  200  200  200  200  200  200 401s 401s 401s  200  200    -
createChallenge           201  201  201  201  201  201  201  201  201  201  201  201  201  201    -
logInWithDevice          401c 401c  200  200  200  200  200 401c 401c 401c 403x 401c  200  200    -
logIn                    401c 401c  200  200  200  200  200 403p  200 404d 403x  200  200  200    -
resetPassword            403r 403r 403r 403r 403r 403r 403r 403r 403r 403r 403r 403r 403r 403r    -
getMe                    401u 401u 401e  200  200  200  200  200  200 401s 401s 401s  200  200    -
changeMe                 401u 401u 401e  200  200  200  200 403p 403d 401s 401s 401s  200  200    -
getUser                  401u 401u 401e  200  200  200  200  200  200 401s 401s 401s  200  200    -
findUsers                401u 401u 401e  200  200  200  200  200  200 401s 401s 401s  200  200    -
getUserChains            401u 401u 401e  200  200  200  200  200  200 401s 401s 401s  200  200    -
continueUserChain        401u 401u 401e  200  200  200  200  200  200 401s 401s 401s  200  200    -
continueUserChain reset  401u 401u 401e 403f 403f 403f 403f 403f 403f 401s 401s 401s 403f 403f    -
exportMe                 401u 401u 401e  200  200  200  200 403p 403d 401s 401s 401s  200  200    -
listSessions             401u 401u 401e  200  200  200  200  200  200 401s 401s 401s  200  200    -
endSession other         401u 401u 401e 404s 404s 404s 404s 404s 404s 401s 401s 401s 404s 404s    -
endSession               401u 401u 401e  204  204  204  204  204  204 401s 401s 401s  204  204    -
createInvite             401u 401u 401e  201  201  201  201 403p 403d 401s 401s 401s  201  201    -
listInvites              401u 401u 401e  200  200  200  200  200  200 401s 401s 401s  200  200    -
revokeInvite other       401u 401u 401e 404i 404i 404i 404i 404i 404i 401s 401s 401s 404i 404i    -
revokeInvite             401u 401u 401e  204  204  204  204  204  204 401s 401s 401s  204  204    -
changePassword           401u 401u 401e 403w 403w 403w 403w 403w 403w 401s 401s 401s 403w 403w    -
eraseMe                  401u 401u 401e 403w 403w 403w 403w 403w 403w 401s 401s 401s 403w 403w    -
listBlocks               401u 401u 401e  200  200  200  200 403p 403d 401s 401s 401s  200  200    -
blockUser                401u 401u 401e  204  204  204  204 403p 403d 401s 401s 401s  204  204    -
unblockUser              401u 401u 401e  204  204  204  204 403p 403d 401s 401s 401s  204  204    -
putKeyBackup             401u 401u 401e  201  201  201  201 403p 403d 401s 401s 401s  201  201    -
getKeyBackup             401u 401u 401e  200  200  200  200  200  200 401s 401s 401s  200  200    -
deleteKeyBackup          401u 401u 401e  204  204  204  204 403p 403d 401s 401s 401s  204  204    -
createConversation       401u 401u 401e  201  201  201  201 403p 403d 401s 401s 401s  201  201    -
listConversations        401u 401u 401e  200  200  200  200 403p 403d 401s 401s 401s  200  200    -
getConversation          401u 401u 401e 404c  200 404c  200 403p 403d 401s 401s 401s 404c 404c    -
getConversationChain     401u 401u 401e 404c  200  200  200 403p 403d 401s 401s 401s 404c 404c    -
listMembers              401u 401u 401e 404c  200 404c  200 403p 403d 401s 401s 401s 404c 404c    -
getRoster                401u 401u 401e 404c  200 404c  200 403p 403d 401s 401s 401s 404c 404c    -
acceptRequest            401u 401u 401e 404c  204 404c  204 403p 403d 401s 401s 401s 404c 404c    -
declineRequest           401u 401u 401e 404c 403f 404c 403f 403p 403d 401s 401s 401s 404c 404c    -
listSessionKeys          401u 401u 401e 404c  200 404c  200 403p 403d 401s 401s 401s 404c 404c    -
getSessionKey            401u 401u 401e 404c  200  200  200 403p 403d 401s 401s 401s 404c 404c    -
getSessionKey newest     401u 401u 401e 404c  200 404c  200 403p 403d 401s 401s 401s 404c 404c    -
addWraps                 401u 401u 401e 404c 404d 404d  201 403p 403d 401s 401s 401s 404c 404c    -
addWraps newest          401u 401u 401e 404c 404d 404c  201 403p 403d 401s 401s 401s 404c 404c    -
sendMessage              401u 401u 401e 404c  201 404c  201 403p 403d 401s 401s 401s 404c 404c    -
sendMessages             401u 401u 401e 404c  200 404c  200 403p 403d 401s 401s 401s 404c 404c    -
listMessages             401u 401u 401e 404c  200 404c  200 403p 403d 401s 401s 401s 404c 404c    -
createSessionKey         401u 401u 401e 404c  201 404c  201 403p 403d 401s 401s 401s 404c 404c    -
changeConversation       401u 401u 401e 404c 403a 404c  201 403p 403d 401s 401s 401s 404c 404c    -
getEventPage             401u 401u 401e  200  200  200  200 403p 403d 401s 401s 401s  200  200    -
getEvents                401u 401u 401e  200  200  200  200 403p 403d 401s 401s 401s  200  200    -
getPresence              401u 401u 401e  200  200  200  200 403p 403d 401s 401s 401s  200  200    -
listDevices              401u 401u 401e  200  200  200  200  200  200 401s 401s 401s  200  200    -
approveDevice other      401u 401u 401e 404d 404d 404d 404d 403p 403d 401s 401s 401s 404d 404d    -
approveDevice            401u 401u 401e  200  200  200  200 403p 403d 401s 401s 401s  200  200    -
rejectDevice other       401u 401u 401e 404d 404d 404d 404d 403p 403d 401s 401s 401s 404d 404d    -
rejectDevice             401u 401u 401e  204  204  204  204 403p 403d 401s 401s 401s  204  204    -
rekeyDevice other        401u 401u 401e 404d 404d 404d 404d 404d 404d 401s 401s 401s 404d 404d    -
revokeDevice other       401u 401u 401e 404d 404d 404d 404d 404d 404d 401s 401s 401s 404d 404d    -
addDevice                401u 401u 401e  202  202  202  202  202  202 401s 401s 401s  202  202    -
adminListUsers           401u 401u 401e 403S 403S 403S 403S 403S 403S 401s 401s 401s  200 403o  200
adminGetUser             401u 401u 401e 403S 403S 403S 403S 403S 403S 401s 401s 401s  200 403o  200
adminSetRole             401u 401u 401e 403S 403S 403S 403S 403S 403S 401s 401s 401s  204 403o  204
adminSuspendUser         401u 401u 401e 403S 403S 403S 403S 403S 403S 401s 401s 401s  204 403o  204
adminResumeUser          401u 401u 401e 403S 403S 403S 403S 403S 403S 401s 401s 401s  204 403o  204
adminListSessions        401u 401u 401e 403S 403S 403S 403S 403S 403S 401s 401s 401s  200 403o  200
adminEndSession          401u 401u 401e 403S 403S 403S 403S 403S 403S 401s 401s 401s  204 403o  204
adminEndSession other    401u 401u 401e 403S 403S 403S 403S 403S 403S 401s 401s 401s 404s 403o 404s
adminEndSessions         401u 401u 401e 403S 403S 403S 403S 403S 403S 401s 401s 401s  204 403o  204
adminListLimits          401u 401u 401e 403S 403S 403S 403S 403S 403S 401s 401s 401s  200 403o  200
adminResetLimits         401u 401u 401e 403S 403S 403S 403S 403S 403S 401s 401s 401s  204 403o  204
adminResetPassword       401u 401u 401e 403S 403S 403S 403S 403S 403S 401s 401s 401s  201 403o  201
adminEraseUser           401u 401u 401e 403S 403S 403S 403S 403S 403S 401s 401s 401s  204 403o  204
adminCreateInvite        401u 401u 401e 403S 403S 403S 403S 403S 403S 401s 401s 401s  201 403o  201
adminListInvites         401u 401u 401e 403S 403S 403S 403S 403S 403S 401s 401s 401s  200 403o  200
adminRevokeInvite        401u 401u 401e 403S 403S 403S 403S 403S 403S 401s 401s 401s  204 403o  204
adminPurgeMessage        401u 401u 401e 403S 403S 403S 403S 403S 403S 401s 401s 401s  204 403o  204
adminListAudit           401u 401u 401e 403S 403S 403S 403S 403S 403S 401s 401s 401s  200 403o  200
adminVerifyAudit         401u 401u 401e 403S 403S 403S 403S 403S 403S 401s 401s 401s  200 403o  200
adminGetStatistics       401u 401u 401e 403S 403S 403S 403S 403S 403S 401s 401s 401s  200 403o  200
adminGetStorage          401u 401u 401e 403S 403S 403S 403S 403S 403S 401s 401s 401s  200 403o  200
adminGetSettings         401u 401u 401e 403S 403S 403S 403S 403S 403S 401s 401s 401s  200 403o  200
adminSetNotice           401u 401u 401e 403S 403S 403S 403S 403S 403S 401s 401s 401s  204 403o  204
adminClearNotice         401u 401u 401e 403S 403S 403S 403S 403S 403S 401s 401s 401s  204 403o  204
rekeyDevice              401u 401u 401e  200  200  200  200 400g 404d 401s 401s 401s  200  200    -
revokeDevice             401u 401u 401e  200  200  200  200 400g 400g 401s 401s 401s  200  200    -
addDevice reset          401u 401u 401e 403f 403f 403f 403f 403f  201 401s 401s 401s 403f 403f    -
logOut                   401u 401u 401e  204  204  204  204  204  204 401s 401s 401s  204  204    -
`

/** The letters in the matrix: with its status each says one problem. */
const LETTERS: Partial<Record<ProblemCode, string>> = {
  unauthenticated: 'u',
  'token-expired': 'e',
  'session-ended': 's',
  'invalid-credentials': 'c',
  'invalid-refresh-token': 'r',
  'device-required': 'd',
  'device-pending': 'p',
  'not-admin': 'a',
  forbidden: 'f',
  suspended: 'x',
  'wrong-password': 'w',
  'reset-unavailable': 'r',
  'server-admin-required': 'S',
  'fresh-sign-in-required': 'o',
  'not-found': 'n',
  'invite-not-found': 'i',
  'device-not-found': 'd',
  'session-not-found': 's',
  'conversation-not-found': 'c',
  'session-key-not-found': 'k',
  'key-backup-not-found': 'b',
  'invalid-signature': 'g'
}

const world = await startWorld(t)
const requests = await operationRequests(world)
const document = world.app.swagger().paths as Record<string, Record<string, { operationId: string }>>
const operations = new Map(
  Object.entries(document).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, { operationId }]) => [operationId, { method, path }] as const)
  )
)
const agent = newAgent()
t.teardown(() => agent.destroy())

/** A stream is answered when it has begun. */
async function statusOfStream(path: string, token: string | null): Promise<Answer<unknown>> {
  const given = new AbortController()
  const headers = token === null ? {} : { authorization: `Bearer ${token}` }
  const answer = await fetch(`${world.url}${path}`, { headers, signal: given.signal })
  const body = answer.ok ? undefined : await answer.json()
  given.abort()
  return { status: answer.status, headers: Object.fromEntries(answer.headers), body }
}

function send(operationId: string, caller: Caller, request: OperationRequest): Promise<Answer<unknown>> {
  const { method, path } = operations.get(operationId)!
  const { params = {}, query, body, headers = {}, token = caller.token } = request
  const filled = path.replace(/\{(\w+)\}/g, (_, name: string) => params[name] ?? `no-${name}`)
  const address = filled + (query === undefined ? '' : `?${query}`)
  if (operationId === 'getEvents' && caller.socket === undefined) return statusOfStream(address, token)
  return call(world.url, caller.socket ?? agent, {
    method: method.toUpperCase(),
    path: address,
    body,
    headers,
    token: token ?? undefined
  })
}

/** A cell of the matrix. The answer to a batch counts as the answer to its message. */
function cell(operationId: string, caller: Caller, answer: Answer<unknown>): string {
  const { items: [item] = [] } = (answer.body ?? {}) as { items?: { problem?: unknown; status?: number }[] }
  if (operationId === 'sendMessages' && item?.problem !== undefined)
    return cell('', caller, { status: item.status!, headers: {}, body: item.problem })
  const code = problem(answer)
  if (caller.socket !== undefined && code === 'not-found' && !operationId.startsWith('admin')) return '-'
  return `${answer.status}${code === '' ? '' : (LETTERS[code as ProblemCode] ?? ` ${code}`)}`
}

const insecure = new Set<string>()

async function rowOf(name: string): Promise<string> {
  const operationId = name.split(' ')[0]!
  const cells: string[] = []
  for (const caller of world.callers) {
    const answer = await send(operationId, caller, await requests[name]!(caller))
    for (const header of badHeaders(answer.headers)) insecure.add(`${name} ${caller.name}: ${header}`)
    cells.push(cell(operationId, caller, answer))
  }
  return lineOf(name, cells)
}

const lineOf = (name: string, cells: readonly string[]) =>
  name.padEnd(24) + cells.map((text) => text.padStart(5)).join('')

t.test('Each operation answers each caller as the matrix says', async (t) => {
  const rows = [lineOf('', Object.keys(CALLERS))]
  for (const name of Object.keys(requests)) rows.push(await rowOf(name))
  t.strictSame(rows, MATRIX.trimEnd().split('\n').slice(1))
  t.strictSame([...insecure], [], 'every answer has the security headers')
})

t.test('Each operation of the document is in the matrix', async (t) => {
  const named = new Set(Object.keys(requests).map((name) => name.split(' ')[0]!))
  t.strictSame([...named].sort(), [...operations.keys()].sort())
})

/** Pages for people, which show nothing of anybody, and the document itself. */
const PAGES = ['/', '/docs', '/openapi.json', '/problems/{code}']

/** The routes of the server, from the tree that Fastify prints. */
function routes(): string[] {
  const above: string[] = []
  return world.app
    .printRoutes({ commonPrefix: false })
    .trimEnd()
    .split('\n')
    .flatMap((line) => {
      const [, indent, part, methods] = /^([│ ]*)[├└]── (.*) \((.*)\)$/.exec(line)!
      const depth = indent!.length / 4
      const path = (above[depth - 1] ?? '') + part!
      above[depth] = path
      const shown = path.replace(/:(\w+)/g, '{$1}')
      return methods!.split(', ').map((method) => `${method} ${shown}`)
    })
    .filter((route) => !/^(HEAD|OPTIONS) | \/docs\//.test(route) && route !== '-')
}

t.test('Each route of the server is in the document, but for the pages', async (t) => {
  const described = [...operations.values()].map(({ method, path }) => `${method.toUpperCase()} ${path}`)
  t.strictSame(routes().sort(), [...described, ...PAGES.map((path) => `GET ${path}`)].sort())
})
