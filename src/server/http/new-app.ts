import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import fastify, { type FastifyBaseLogger } from 'fastify'
import { namedSchemas } from '../../protocol/named-schemas.js'
import type { Database } from '../db/database.js'
import type { Logger } from '../logger.js'
import type { App } from './app.js'
import { closeConnections } from './drain.js'
import { answerSocket, errorHandler } from './error-handler.js'
import { readForwarded } from './forwarded.js'
import { BODY_LIMIT, acceptJson } from './json-body.js'
import { checkHeads } from './request-head.js'
import { requestId } from './request-id.js'
import { RequestLog } from './request-log.js'
import { SECURITY_HEADERS, secureHeaders } from './security-headers.js'
import { buildSerializer } from './serialization.js'
import { buildValidator } from './validation.js'

interface Parts {
  logger: Logger
  database: Pick<Database, 'logFailure'>
  trustedProxies: string[] | false
}

/** How long a request may take to come, and its largest head. */
export const HTTP_BOUNDS = { requestMs: 30_000, headersMs: 15_000, headerBytes: 16_384 }

/** A server without routes: what all calls have in common, such as bounds of time and size, JSON, schemas and errors. */
export function newApp({ logger, database, trustedProxies }: Parts): App {
  // A child, whose level can be changed apart.
  const loggerInstance: FastifyBaseLogger = logger.child({})
  const handleError = errorHandler(database)
  const app: App = fastify({
    loggerInstance,
    logController: new RequestLog({ disableRequestLogging: !logger.isLevelEnabled('debug') }),
    // A child logger per request would cost more than most requests. Log lines name the request themselves.
    childLoggerFactory: (parent) => parent,
    genReqId: requestId,
    trustProxy: trustedProxies,
    bodyLimit: BODY_LIMIT,
    requestTimeout: HTTP_BOUNDS.requestMs,
    keepAliveTimeout: 72_000,
    // Node.js would look for late requests every 30 seconds.
    http: {
      maxHeaderSize: HTTP_BOUNDS.headerBytes,
      headersTimeout: HTTP_BOUNDS.headersMs,
      connectionsCheckingInterval: 1000,
      requireHostHeader: false
    },
    routerOptions: { maxParamLength: 128 },
    return503OnClosing: false,
    schemaController: { compilersFactory: { buildValidator, buildSerializer } },
    // Errors before routing reach neither hooks nor the error handler.
    frameworkErrors: (error, request, reply) =>
      void handleError(error, request, reply.headers(SECURITY_HEADERS)),
    clientErrorHandler: (error, socket) => answerSocket(error, socket, requestId())
  }).withTypeProvider<TypeBoxTypeProvider>()
  closeConnections(app)
  app.setErrorHandler(handleError)
  acceptJson(app)
  for (const schema of namedSchemas) app.addSchema(schema)
  // Before the hooks that refuse a request.
  secureHeaders(app)
  checkHeads(app)
  readForwarded(app)
  return app
}
