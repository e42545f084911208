import { STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import type { ProblemCode } from '../../protocol/problems.js'
import { RuleViolation } from '../../protocol/rule-violation.js'
import type { Database } from '../db/database.js'
import { isDatabaseDown } from '../db/errors.js'
import { Problem, problemDocument } from './problem.js'
import { SECURITY_HEADERS } from './security-headers.js'

/** Seconds after which a client may try again, for problems that are temporary. */
const RETRY_AFTER: Partial<Record<ProblemCode, number>> = {
  overloaded: 1,
  'too-many-streams': 5,
  // For streams. The rate limits of requests set the exact value themselves.
  'too-many-requests': 5,
  'database-unavailable': 2,
  stopping: 2
}

const fastifyCodes: Record<string, ProblemCode> = {
  FST_ERR_CTP_INVALID_JSON_BODY: 'malformed-json',
  FST_ERR_CTP_EMPTY_JSON_BODY: 'malformed-json',
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: 'malformed-json',
  FST_ERR_CTP_BODY_TOO_LARGE: 'payload-too-large',
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'unsupported-media-type'
}

const MALFORMED = 'The request is malformed.'

const fastifyDetails: Record<string, string> = {
  FST_ERR_BAD_URL: 'The address is not percent-encoded UTF-8.',
  FST_ERR_MAX_PARAM_LENGTH: 'A part of the address is too long.'
}

/** The problem for any error; an unknown error is `internal-error`. */
export function toProblem(error: unknown): Problem {
  if (error instanceof Problem) return error
  if (error instanceof RuleViolation) return new Problem(error.code, error.detail)
  const { code, validation, validationContext, statusCode } = error as Partial<FastifyError>
  if (validation !== undefined) {
    const errors = validation.map((failed) => ({
      path: `${validationContext ?? 'body'}${failed.instancePath}`,
      message: `${failed.message ?? 'is not valid'}${describe(failed)}`
    }))
    return new Problem('invalid-request', undefined, { errors })
  }
  const known = code === undefined ? undefined : fastifyCodes[code]
  if (known !== undefined) return new Problem(known)
  if (error instanceof SyntaxError && statusCode === 400) return new Problem('malformed-json')
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500)
    return new Problem('invalid-request', fastifyDetails[code ?? ''] ?? MALFORMED)
  // Last, because a client that hangs up during its request causes the same code as a database that does.
  if (isDatabaseDown(error)) return new Problem('database-unavailable')
  return new Problem('internal-error')
}

type Failed = NonNullable<FastifyError['validation']>[number] & { parentSchema?: { description?: string } }

/** What the message lacks: the name or the words in question, or the rule that the schema says in words. */
function describe({ keyword, params, parentSchema }: Failed): string {
  const extra = params['additionalProperty']
  if (typeof extra === 'string') return ` (${JSON.stringify(extra.slice(0, 64))})`
  const allowed = params['allowedValues']
  if (Array.isArray(allowed)) return ` (${allowed.join(', ')})`
  const rule = keyword === 'pattern' || keyword === 'format' ? parentSchema?.description : undefined
  return rule === undefined ? '' : `: ${rule}`
}

/** Answer with a problem document. */
export function sendProblem(request: FastifyRequest, reply: FastifyReply, problem: Problem): FastifyReply {
  const retryAfter = problem.retryAfter ?? RETRY_AFTER[problem.code]
  if (retryAfter !== undefined && !reply.hasHeader('retry-after')) reply.header('retry-after', retryAfter)
  if (problem.status === 401) reply.header('www-authenticate', 'Bearer')
  return reply
    .status(problem.status)
    .type('application/problem+json')
    .send(JSON.stringify(problemDocument(problem, request.id)))
}

const socketProblems: Record<string, ProblemCode> = {
  HPE_HEADER_OVERFLOW: 'headers-too-large',
  ERR_HTTP_REQUEST_TIMEOUT: 'request-timeout'
}

/** Respond to bytes that are not HTTP on the socket itself, and close it: there is no request. */
export function answerSocket(error: Error & { code?: string }, socket: Socket, instance: string): void {
  if (error.code === 'ECONNRESET' || socket.destroyed) return
  const code = socketProblems[error.code ?? '']
  const problem = code === undefined ? new Problem('invalid-request', MALFORMED) : new Problem(code)
  const body = JSON.stringify(problemDocument(problem, instance))
  const headers = {
    ...SECURITY_HEADERS,
    'content-type': 'application/problem+json; charset=utf-8',
    'content-length': Buffer.byteLength(body),
    connection: 'close'
  }
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  socket.end(
    `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status]}\r\n${lines.join('')}\r\n${body}`,
    () => socket.destroy()
  )
}

/** Answers any error of a request, and logs those that an operator must know of. */
export function errorHandler({ logFailure }: Pick<Database, 'logFailure'>) {
  return (error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply => {
    const problem = toProblem(error)
    const instance = request.id
    if (problem.status === 500) request.log.error({ instance, err: error }, 'request failed')
    else if (problem.code === 'database-unavailable') logFailure(error, 'request failed', { instance })
    return sendProblem(request, reply, problem)
  }
}
