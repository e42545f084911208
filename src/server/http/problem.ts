import { problemTitle, problems, type ProblemCode } from '../../protocol/problems.js'
import type { ProblemDocument } from '../../protocol/schema.js'

/**
 * How a request fails. `detail` says more than the table's sentence; `members` are added to the document;
 * `retryAfter` is the header's number of seconds.
 */
export class Problem extends Error {
  readonly code: ProblemCode
  readonly status: number
  readonly members: Readonly<Record<string, unknown>>
  readonly retryAfter: number | undefined

  constructor(
    code: ProblemCode,
    detail?: string,
    members: Record<string, unknown> = {},
    retryAfter?: number
  ) {
    super(detail ?? problems[code][1])
    this.name = 'Problem'
    this.code = code
    this.status = problems[code][0]
    this.members = members
    this.retryAfter = retryAfter
  }
}

/** A problem document (RFC 9457). */
export function problemDocument(problem: Problem, instance: string): ProblemDocument {
  return {
    type: `/problems/${problem.code}`,
    title: problemTitle(problem.code),
    status: problem.status,
    detail: problem.message,
    instance,
    ...problem.members
  }
}
