import { problems, problemTitle, type ProblemCode } from '../../src/protocol/problems.js'

/** A refusal of the server in memory. */
export class FakeProblem extends Error {
  readonly code: ProblemCode
  readonly members: object

  constructor(code: ProblemCode, members: object = {}) {
    super(code)
    this.code = code
    this.members = members
  }
}

export function json(body: unknown, status = 200, headers: Record<string, string> = {}): Response {
  return new Response(JSON.stringify(body), {
    status,
    headers: { 'content-type': 'application/json', ...headers }
  })
}

export function problem(code: ProblemCode, members: object = {}): Response {
  const [status, detail] = problems[code]
  const title = problemTitle(code)
  const body = { type: `/problems/${code}`, title, status, detail, instance: 'req-1', ...members }
  return json(body, status, { 'content-type': 'application/problem+json' })
}

/** No answer: whether the request took effect is open. The client does not wait for another one. */
export function noAnswer(code: ProblemCode = 'overloaded'): Response {
  const response = problem(code)
  response.headers.set('retry-after', '30')
  return response
}

export const empty = (): Response => new Response(null, { status: 204 })

/** A list as one page. */
export const page = (items: readonly unknown[]): Response => json({ items, next: null })
