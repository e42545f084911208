import { problemTitle, problems, type ProblemCode } from '../../protocol/problems.js'

/** The text of `docs/problems.md`: a section for each problem, with its code as the heading. */
export function problemPages(): string {
  const sections = (Object.keys(problems) as ProblemCode[]).map((code) => {
    const [status, detail] = problems[code]
    return `## ${code}\n\n**${problemTitle(code)}**, status ${status}. ${detail}\n`
  })
  return `# Problems

Every refusal is an [RFC 9457](https://www.rfc-editor.org/rfc/rfc9457) problem document of the media type
\`application/problem+json\`. Its \`type\` is \`/problems/\` and one of the names below; \`detail\` says what is wrong and
how to fix it; \`instance\` is the id of the request in the server's log. This page is generated from
\`src/protocol/problems.ts\` by \`npm run openapi\`.

${sections.join('\n')}`
}
