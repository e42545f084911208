import cors from '@fastify/cors'
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import fastify, { type FastifyBaseLogger } from 'fastify'
import { Problem } from './http/problem.js'
import { namedSchemas } from '../protocol/named-schemas.js'
import type { App } from './http/app.js'
import { registerAuth } from './access/auth.js'
import { closeConnections } from './http/drain.js'
import { authRoutes } from './features/auth/routes.js'
import { userRoutes } from './features/users/routes.js'
import { userChainRoutes } from './features/users/chain-routes.js'
import { conversationRoutes } from './features/conversations/routes.js'
import { deviceRoutes } from './features/devices/routes.js'
import { eventRoutes } from './features/events/routes.js'
import { keyBackupRoutes } from './features/key-backup/routes.js'
import { messageRoutes } from './features/messages/routes.js'
import { pageRoutes } from './features/pages/routes.js'
import { presenceRoutes } from './features/presence/routes.js'
import { healthRoutes, serverRoutes } from './features/health/routes.js'
import { sessionKeyRoutes } from './features/session-keys/routes.js'
import { sessionRoutes } from './features/auth/sessions.js'
import { shareFairly } from './access/fair-share.js'
import { callerOf, registerRateLimits } from './access/rate-limits.js'
import { boundBodies } from './http/body-budget.js'
import { BODY_LIMIT, acceptJson } from './http/json-body.js'
import { describeRoutes, registerOpenApi } from './http/openapi.js'
import { answerSocket, errorHandler, sendProblem } from './http/error-handler.js'
import { readForwarded } from './http/forwarded.js'
import { checkHeads } from './http/request-head.js'
import { requestId } from './http/request-id.js'
import { RequestLog } from './http/request-log.js'
import { secureHeaders } from './http/security-headers.js'
import { buildSerializer } from './http/serialization.js'
import type { Services } from './services.js'
import { buildValidator } from './http/validation.js'

/** The whole service: its parts by name, in order. Closing the app closes the services. */
export async function buildApp(services: Services): Promise<App> {
  const { config } = services
  // A child, whose level can be changed apart.
  const logger: FastifyBaseLogger = services.logger.child({})
  const handleError = errorHandler(services.database)
  const app: App = fastify({
    loggerInstance: logger,
    logController: new RequestLog({ disableRequestLogging: !services.logger.isLevelEnabled('debug') }),
    // A child logger per request would cost more than most requests. Log lines name the request themselves.
    childLoggerFactory: (parent) => parent,
    genReqId: requestId,
    trustProxy: config.http.trustedProxies,
    bodyLimit: BODY_LIMIT,
    requestTimeout: 30_000,
    keepAliveTimeout: 72_000,
    // Node.js would look for late requests every 30 seconds.
    http: {
      maxHeaderSize: 16_384,
      headersTimeout: 15_000,
      connectionsCheckingInterval: 1000,
      requireHostHeader: false
    },
    routerOptions: { maxParamLength: 128 },
    return503OnClosing: false,
    schemaController: { compilersFactory: { buildValidator, buildSerializer } },
    // Errors before routing do not reach the error handler.
    frameworkErrors: (error, request, reply) => void handleError(error, request, reply),
    clientErrorHandler: (error, socket) => answerSocket(error, socket, requestId())
  }).withTypeProvider<TypeBoxTypeProvider>()

  let stopping = false
  app.addHook('onRequest', (_request, reply, done) => {
    if (!stopping) return done()
    reply.header('connection', 'close')
    done(new Problem('stopping'))
  })
  app.addHook('preClose', (done) => {
    stopping = true
    services.hub.stop()
    done()
  })
  closeConnections(app)
  app.addHook('onClose', () => services.close())

  app.setErrorHandler(handleError)
  acceptJson(app)
  for (const schema of namedSchemas) app.addSchema(schema)

  checkHeads(app)
  readForwarded(app)
  secureHeaders(app)
  if (config.http.corsOrigins.length > 0)
    await app.register(cors, {
      origin: config.http.corsOrigins,
      methods: ['GET', 'HEAD', 'POST', 'PUT', 'DELETE'],
      exposedHeaders: ['ETag', 'Retry-After'],
      maxAge: 600
    })
  await registerRateLimits(app, config.rateLimits, services.attempts)
  await registerOpenApi(app)
  await registerAuth(app, services)
  boundBodies(app, callerOf)
  const { enabled, perMinute, share } = config.rateLimits
  const limited = enabled ? { preHandler: app.rateLimit({ max: perMinute.read }) } : {}
  app.setNotFoundHandler(limited, (request, reply) => sendProblem(request, reply, new Problem('not-found')))

  await app.register(async (open: App) => {
    describeRoutes(open, { authenticated: false })
    healthRoutes(open, services, () => stopping)
    pageRoutes(open)
  })
  await app.register(
    async (open: App) => {
      describeRoutes(open, { authenticated: false })
      serverRoutes(open, services)
      authRoutes(open, services)
    },
    { prefix: '/v1' }
  )
  await app.register(
    async (authenticated: App) => {
      authenticated.addHook('onRequest', app.requireSession)
      shareFairly(authenticated, enabled ? share : null)
      describeRoutes(authenticated, { authenticated: true })
      userRoutes(authenticated, services)
      userChainRoutes(authenticated, services)
      sessionRoutes(authenticated, services)
      deviceRoutes(authenticated, services)
      keyBackupRoutes(authenticated, services)
      conversationRoutes(authenticated, services)
      sessionKeyRoutes(authenticated, services)
      messageRoutes(authenticated, services)
      eventRoutes(authenticated, services)
      presenceRoutes(authenticated, services)
    },
    { prefix: '/v1' }
  )
  return app
}
