import swagger from '@fastify/swagger'
import swaggerUi from '@fastify/swagger-ui'
import type { FastifyInstance } from 'fastify'
import type { ProblemCode } from '../../protocol/problems.js'
import { joinResponses, problemResponses } from './problem-responses.js'
import { openAnswers, type ApiDocument } from './open-answers.js'
import { VERSION } from '../../protocol/version.js'

const description = `End-to-end encrypted messaging over HTTP. Clients encrypt; the server routes, stores and orders
ciphertext that it cannot read. Errors are RFC 9457 problem documents whose \`type\` names the problem.`

/**
 * Content security policy of the documentation page: its own files only. Unlike the plugin's default it does
 * not upgrade to HTTPS, so the page works over plain HTTP.
 */
const PAGE_POLICY =
  "default-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'"

/**
 * The OpenAPI 3.1 document at `/openapi.json`, made from the schemas of the routes, and a reference at
 * `/docs`.
 */
export async function registerOpenApi(app: FastifyInstance): Promise<void> {
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Secure Chat',
        version: VERSION,
        description,
        license: { name: 'MIT', identifier: 'MIT' }
      },
      servers: [
        {
          url: '{origin}',
          description: 'Any server: `origin` is its scheme, host and port.',
          variables: { origin: { default: 'http://127.0.0.1:3000' } }
        }
      ],
      tags: [
        { name: 'accounts', description: 'Users, sessions and tokens.' },
        { name: 'devices', description: 'A user’s devices, and the signed chain that proves them.' },
        { name: 'key backup', description: 'An encrypted backup for users who have lost all devices.' },
        { name: 'conversations', description: 'Conversations, their signed chains and rosters.' },
        {
          name: 'session keys',
          description: 'Keys that encrypt messages, wrapped for each device.'
        },
        { name: 'messages', description: 'End-to-end encrypted messages.' },
        { name: 'events', description: 'The ordered event log, live or resumed.' },
        { name: 'presence', description: 'Online status of users.' },
        { name: 'admin', description: 'The administration of the server, for its admins.' },
        { name: 'service', description: 'For operators of the service.' }
      ],
      components: {
        securitySchemes: { bearer: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT' } }
      }
    },
    transformObject: (made) => openAnswers((made as { openapiObject: ApiDocument }).openapiObject),
    refResolver: { buildLocalReference: (json) => json['$id'] as string }
  })
  app.get('/openapi.json', { schema: { hide: true }, config: { limit: 'read' } }, () => app.swagger())
  await app.register(swaggerUi, {
    routePrefix: '/docs',
    staticCSP: PAGE_POLICY,
    // No bar with a logo and a field for other documents.
    uiConfig: { layout: 'BaseLayout' },
    // The page calls the server that it comes from.
    transformSpecification: (document) => ({ ...document, servers: [{ url: '/' }] }),
    theme: { title: 'Secure Chat API' }
  })
}

const common: ProblemCode[] = [
  'invalid-request',
  'request-timeout',
  'expectation-failed',
  'headers-too-large',
  'too-many-requests',
  'internal-error',
  'database-unavailable',
  'stopping'
]
const withToken: ProblemCode[] = ['unauthenticated', 'token-expired', 'session-ended']
const withBody: ProblemCode[] = ['payload-too-large', 'unsupported-media-type', 'overloaded']
const withJson: ProblemCode[] = ['malformed-json', ...withBody]
/** A call that takes no body may be sent one. */
const withStrayBody: ProblemCode[] = ['malformed-json', 'payload-too-large', 'unsupported-media-type']

/** Add to the schemas of an app's routes what they have in common: the security and the common problems. */
export function describeRoutes(app: FastifyInstance, { authenticated }: { authenticated: boolean }): void {
  app.addHook('onRoute', (route) => {
    const body = route.schema?.body
    const ofBody = problemsOfBody(route.method, body as object | undefined)
    const problems = [...common, ...(authenticated ? withToken : []), ...ofBody]
    route.schema = {
      ...route.schema,
      security: authenticated ? [{ bearer: [] }] : [],
      response: joinResponses(
        (route.schema?.response ?? {}) as Record<string, object>,
        problemResponses(...problems)
      )
    }
  })
}

function problemsOfBody(method: string | string[], body: object | undefined): ProblemCode[] {
  if (body !== undefined) return 'content' in body ? withBody : withJson
  return method === 'GET' || method === 'HEAD' ? [] : withStrayBody
}
