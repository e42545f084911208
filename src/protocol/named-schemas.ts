import type { TSchema } from 'typebox'
import { answerSchemas, namedIn } from './answer-schemas.js'
import * as adminServer from './admin-server.js'
import * as admin from './admin.js'
import * as deviceLogin from './device-login.js'
import * as stream from './event-stream.js'
import * as invites from './invites.js'
import * as ownAccount from './own-account.js'
import { NewSignedStatement } from './schema.js'
import * as server from './server.js'

/** Every named schema: routes refer to them, and they are the components of the OpenAPI document. */
export const namedSchemas: TSchema[] = [
  ...answerSchemas,
  NewSignedStatement,
  ...namedIn(admin, adminServer, deviceLogin, invites, ownAccount, stream, server)
]
