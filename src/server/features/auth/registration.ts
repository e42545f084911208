import Type from 'typebox'
import { AuthResponse, Registration, RegistrationCheck } from '../../../protocol/accounts.js'
import { ref } from '../../../protocol/schema.js'
import { readNewDevice } from '../../chains/device-store.js'
import type { App } from '../../http/app.js'
import { problemResponses } from '../../http/problem-responses.js'
import { Problem } from '../../http/problem.js'
import type { Services } from '../../services.js'
import { Admission } from './admission.js'
import { isCommonPassword } from './common-passwords.js'
import { beginChain, insertUser, requireFreeName } from './register.js'
import { insertSession } from './session-store.js'
import { signIn } from './sign-in.js'

type Parts = Pick<Services, 'attempts' | 'config' | 'db' | 'logins' | 'passwords' | 'refresh'>

/** Why nobody registers under a name, or without an invitation. */
const REFUSALS = [
  'registration-closed',
  'invitation-required',
  'invitation-unavailable',
  'username-taken',
  'username-confusable'
] as const

/** A new account, and what would be refused of it. */
export function registrationRoutes(app: App, services: Parts): void {
  const { config, db, logins, passwords, refresh } = services
  const admission = new Admission(services)

  app.post(
    '/auth/register',
    {
      config: { limit: 'auth' },
      schema: {
        operationId: 'register',
        tags: ['accounts'],
        summary: 'Register a user with a first device',
        body: ref(Registration),
        response: {
          201: ref(AuthResponse),
          ...problemResponses(
            'invalid-key',
            'invalid-statement',
            'invalid-signature',
            'weak-password',
            ...REFUSALS,
            'id-conflict',
            'key-in-use',
            'overloaded'
          )
        }
      }
    },
    async (request, reply) => {
      const { password, device: given, invite } = request.body
      const username = request.body.username.toLowerCase()
      admission.requireOpen(request, reply, invite)
      if (isCommonPassword(password, username)) throw new Problem('weak-password')
      const { material, chain, passwordHash } = await passwords.inLine(async ({ hash }) => {
        await admission.check(request, reply, invite)
        const material = readNewDevice(given, username, config.devices.minRsaBits, ['device-add'])
        const chain = beginChain(material)
        await requireFreeName(db, username)
        return { material, chain, passwordHash: await hash(password) }
      })
      const response = await db.transaction(async (tx) => {
        const admitted = await admission.admit(tx, invite)
        const { role, kind } = admitted
        const account = { username, passwordHash, role, kind, contactPolicy: config.contacts.policy }
        const { user, device } = await insertUser(tx, account, chain, material)
        await admission.record(tx, request, admitted, user.id)
        const session = await insertSession(tx, config.sessions, request, device, 'password')
        return signIn(app, refresh, session, user, device)
      })
      logins.remember(username, request)
      return reply.status(201).send(response)
    }
  )

  app.post(
    '/auth/register/check',
    {
      config: { limit: 'auth' },
      schema: {
        operationId: 'checkRegistration',
        tags: ['accounts'],
        summary: 'Ask whether a user could register',
        description:
          'For clients that ask before somebody chooses a password. It holds no name, and uses no invitation.',
        body: ref(RegistrationCheck),
        response: {
          204: Type.Null({ description: 'The server takes the name and the invitation.' }),
          ...problemResponses(...REFUSALS)
        }
      }
    },
    async (request, reply) => {
      await admission.check(request, reply, request.body.invite)
      await requireFreeName(db, request.body.username.toLowerCase())
      return reply.status(204).send(null)
    }
  )
}
