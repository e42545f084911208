import type { FastifyReply, FastifyRequest } from 'fastify'
import Type from 'typebox'
import { problemTitle, problems, type ProblemCode } from '../../../protocol/problems.js'
import { record } from '../../../protocol/schema.js'
import { VERSION } from '../../../protocol/version.js'
import type { App } from '../../http/app.js'
import { Problem } from '../../http/problem.js'

const TITLE = 'Secure Chat'
const ABOUT = 'A server for end-to-end encrypted chat. It cannot read a message.'

const links = {
  documentation: ['/docs', 'Every call of the API'],
  openapi: ['/openapi.json', 'The same as an OpenAPI document'],
  server: ['/v1/server', 'Version and limits of this server'],
  health: ['/healthz', 'Whether it is alive']
} as const

/** Pages for people who follow a link: what this server is, and what a problem means. */
export function pageRoutes(app: App): void {
  app.get('/', { schema: { hide: true } }, (request, reply) => {
    if (!wantsHtml(request, reply))
      return {
        name: 'secure-chat',
        version: VERSION,
        about: ABOUT,
        ...Object.fromEntries(Object.entries(links).map(([name, [path]]) => [name, path]))
      }
    const items = Object.values(links).map(([path, text]) => `<li><a href="${path}">${text}</a></li>`)
    return html(reply, TITLE, `<p>${ABOUT} Version ${VERSION}.</p>\n<ul>${items.join('\n')}</ul>`)
  })

  app.get(
    '/problems/:code',
    { schema: { hide: true, params: record({ code: Type.String() }) } },
    (request, reply) => {
      const { code } = request.params
      if (!isProblem(code)) throw new Problem('not-found')
      const [status, detail] = problems[code]
      const title = problemTitle(code)
      if (!wantsHtml(request, reply))
        return reply.type('text/plain; charset=utf-8').send(`${title}, status ${status}.\n${detail}\n`)
      const text = escape(detail).replace(/`([^`]*)`/g, '<code>$1</code>')
      return html(
        reply,
        title,
        `<p>Status ${status}, type <code>/problems/${code}</code>.</p>\n<p>${text}</p>`
      )
    }
  )
}

function isProblem(code: string): code is ProblemCode {
  return Object.hasOwn(problems, code)
}

function wantsHtml(request: FastifyRequest, reply: FastifyReply): boolean {
  reply.header('vary', 'accept')
  return request.headers.accept?.includes('text/html') === true
}

function html(reply: FastifyReply, title: string, body: string): FastifyReply {
  return reply
    .type('text/html; charset=utf-8')
    .send(
      `<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n<title>${title}</title>\n<h1>${title}</h1>\n${body}\n</html>\n`
    )
}

function escape(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}
