import cors from '@fastify/cors'
import { Problem } from './http/problem.js'
import type { App } from './http/app.js'
import { openAdminSocket } from './admin-socket.js'
import { registerAuth } from './access/auth.js'
import { adminRoutes, requireAdmin } from './features/admin/routes.js'
import { authRoutes } from './features/auth/routes.js'
import { userRoutes } from './features/users/routes.js'
import { erasureRoutes } from './features/users/erasure.js'
import { exportRoutes } from './features/users/export.js'
import { userChainRoutes } from './features/users/chain-routes.js'
import { contactRoutes } from './features/contacts/routes.js'
import { conversationRoutes } from './features/conversations/routes.js'
import { deviceRoutes } from './features/devices/routes.js'
import { eventRoutes } from './features/events/routes.js'
import { keyBackupRoutes } from './features/key-backup/routes.js'
import { inviteRoutes } from './features/invites/routes.js'
import { messageRoutes } from './features/messages/routes.js'
import { pageRoutes } from './features/pages/routes.js'
import { presenceRoutes } from './features/presence/routes.js'
import { healthRoutes, serverRoutes } from './features/health/routes.js'
import { sessionKeyRoutes } from './features/session-keys/routes.js'
import { sessionRoutes } from './features/auth/sessions.js'
import { passwordRoutes } from './features/auth/password.js'
import { shareFairly } from './access/fair-share.js'
import { callerOf, registerRateLimits } from './access/rate-limits.js'
import { boundBodies } from './http/body-budget.js'
import { newApp } from './http/new-app.js'
import { describeRoutes, registerOpenApi } from './http/openapi.js'
import { sendProblem } from './http/error-handler.js'
import type { Services } from './services.js'

/** The whole service: its parts by name, in order. Closing the app closes the services. */
export async function buildApp(services: Services): Promise<App> {
  const { config } = services
  const app = newApp({ ...services, trustedProxies: config.http.trustedProxies })
  let stopping = false
  app.addHook('preClose', (done) => {
    stopping = true
    services.hub.stop()
    done()
  })
  app.addHook('onRequest', (_request, reply, done) => {
    if (!stopping) return done()
    reply.header('connection', 'close')
    done(new Problem('stopping'))
  })
  let closeAdminSocket = () => Promise.resolve()
  app.addHook('onReady', async () => {
    closeAdminSocket = await openAdminSocket(services)
  })
  app.addHook('preClose', () => closeAdminSocket())
  app.addHook('onClose', () => services.close())
  if (config.http.corsOrigins.length > 0)
    await app.register(cors, {
      origin: config.http.corsOrigins,
      methods: ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'],
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
      // A body may take half a minute to come, and a call may wait for its share.
      authenticated.addHook('preValidation', app.recheckSession)
      describeRoutes(authenticated, { authenticated: true })
      userRoutes(authenticated, services)
      userChainRoutes(authenticated, services)
      erasureRoutes(authenticated, services)
      exportRoutes(authenticated, services)
      sessionRoutes(authenticated, services)
      inviteRoutes(authenticated, services)
      passwordRoutes(authenticated, services)
      deviceRoutes(authenticated, services)
      keyBackupRoutes(authenticated, services)
      contactRoutes(authenticated, services)
      conversationRoutes(authenticated, services)
      sessionKeyRoutes(authenticated, services)
      messageRoutes(authenticated, services)
      eventRoutes(authenticated, services)
      presenceRoutes(authenticated, services)
      await authenticated.register(
        async (admin: App) => {
          requireAdmin(admin, services.db)
          adminRoutes(admin, services)
        },
        { prefix: '/admin' }
      )
    },
    { prefix: '/v1' }
  )
  return app
}
