import { problems, type ProblemCode } from '../../protocol/problems.js'

const RetryAfter = { type: 'integer', description: 'Seconds after which the client may try again.' }

/** The problems of a route as responses of its schema, by status. */
export function problemResponses(...codes: ProblemCode[]): Record<string, object> {
  const responses: Record<string, { description: string; headers?: object; content: object }> = {}
  for (const code of new Set(codes)) {
    const [status, detail] = problems[code]
    const line = `\`${code}\`: ${detail}`
    const before = responses[status]?.description
    responses[status] = {
      description: before === undefined ? line : `${before}\n\n${line}`,
      ...(['429', '503'].includes(`${status}`) && { headers: { 'Retry-After': RetryAfter } }),
      content: { 'application/problem+json': { schema: { $ref: 'Problem' } } }
    }
  }
  return responses
}

/** Two sets of responses as one. If both have a status, the descriptions are joined. */
export function joinResponses(
  some: Record<string, object>,
  more: Record<string, object>
): Record<string, object> {
  const joined = { ...some }
  for (const [status, response] of Object.entries(more)) {
    const present = joined[status] as { description: string } | undefined
    joined[status] =
      present === undefined
        ? response
        : {
            ...present,
            description: `${present.description}\n\n${(response as { description: string }).description}`
          }
  }
  return joined
}
