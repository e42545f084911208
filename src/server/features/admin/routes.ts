import type { App } from '../../http/app.js'
import type { Services } from '../../services.js'
import { auditRoutes } from './audit.js'
import { erasureRoutes } from './erasure.js'
import { inviteRoutes } from './invites.js'
import { limitRoutes } from './limits.js'
import { messageRoutes } from './messages.js'
import { noticeRoutes } from './notice.js'
import { passwordResetRoutes } from './password-reset.js'
import { serverRoutes } from './server.js'
import { sessionRoutes } from './sessions.js'
import { suspensionRoutes } from './suspension.js'
import { userRoutes } from './users.js'

export { admitOperator, requireAdmin } from './door.js'

/** The administration of the server. The same calls are for admins over HTTPS, and for the operator at a socket. */
export function adminRoutes(app: App, services: Services): void {
  userRoutes(app, services)
  suspensionRoutes(app, services)
  sessionRoutes(app, services)
  limitRoutes(app, services)
  passwordResetRoutes(app, services)
  erasureRoutes(app, services)
  messageRoutes(app, services)
  inviteRoutes(app, services)
  auditRoutes(app, services)
  serverRoutes(app, services)
  noticeRoutes(app, services)
}
