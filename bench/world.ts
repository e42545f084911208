import { randomBytes, randomUUID } from 'node:crypto'
import fastify from 'fastify'
import { registerAuth } from '../src/server/access/auth.js'
import { readConfig } from '../src/server/config.js'
import * as tables from '../src/server/db/schema.js'
import { createLogger } from '../src/server/logger.js'
import { openServices } from '../src/server/services.js'

export interface World {
  /** An access token for each user. */
  tokens: string[]
  conversations: { id: string; sessionKeyId: string; key: string }[]
}

const ROWS = 2000
const FAR = new Date('2100-01-01')

/**
 * Users with a device and a session each, and conversations with a session key, written straight into the
 * database: 10,000 registrations would take 20 minutes of PBKDF2.
 *
 * @param groups the members of each conversation, as indices of users
 */
export async function makeWorld(
  env: Record<string, string>,
  users: number,
  groups: number[][]
): Promise<World> {
  const config = readConfig(env)
  const services = await openServices(config, createLogger('warn'))
  const { db } = services
  async function insert<Row>(rows: Row[], write: (rows: Row[]) => PromiseLike<unknown>): Promise<void> {
    for (let at = 0; at < rows.length; at += ROWS) await write(rows.slice(at, at + ROWS))
  }
  const hex = () => randomBytes(32).toString('hex')
  const people = Array.from({ length: users }, (_, n) => {
    const session = { id: randomUUID(), userId: randomUUID(), deviceId: randomUUID() }
    return { ...session, username: `user-${n}`, endsAt: Infinity }
  })
  await insert(people, (rows) =>
    db.insert(tables.users).values(
      rows.map(({ userId, username }) => ({
        id: userId,
        username,
        passwordHash: '',
        contactPolicy: 'everyone' as const,
        chainSequence: 1,
        chainHead: hex(),
        root: hex()
      }))
    )
  )
  await insert(people, (rows) =>
    db.insert(tables.devices).values(
      rows.map(({ userId, deviceId }) => ({
        id: deviceId,
        userId,
        name: 'bench',
        status: 'active' as const,
        purpose: 'chat' as const,
        encryptionVersion: 1,
        signingKey: hex(),
        signingFingerprint: hex(),
        encryptionKey: hex(),
        encryptionFingerprint: hex(),
        kemFingerprint: '-'
      }))
    )
  )
  await insert(people, (rows) =>
    db.insert(tables.sessions).values(
      rows.map(({ id, userId, deviceId }) => ({
        id,
        userId,
        deviceId,
        address: '127.0.0.1',
        userAgent: 'bench',
        expiresAt: FAR
      }))
    )
  )

  const conversations = groups.map((members) => ({
    id: randomUUID(),
    sessionKeyId: randomUUID(),
    key: hex(),
    members
  }))
  await insert(conversations, (rows) =>
    db.insert(tables.conversations).values(
      rows.map(({ id, sessionKeyId, key, members }) => ({
        id,
        kind: 'group' as const,
        chainSequence: 2,
        chainHead: key,
        memberCount: members.length,
        messageTtl: 0,
        sessionKeyId
      }))
    )
  )
  await insert(conversations, (rows) =>
    db.insert(tables.sessionKeys).values(
      rows.map(({ id, sessionKeyId, key, members }) => ({
        id: sessionKeyId,
        conversationId: id,
        sequence: 2,
        hash: key,
        makerId: people[members[0]!]!.userId,
        due: true
      }))
    )
  )
  const members = conversations.flatMap(({ id, sessionKeyId, members }, index) =>
    // A position of the log: a user joins two conversations at two positions.
    members.map((n, place) => ({
      conversationId: id,
      sessionKeyId,
      joinedAt: index + 1,
      place,
      ...people[n]!
    }))
  )
  await insert(members, (rows) =>
    db.insert(tables.memberships).values(
      rows.map(({ conversationId, userId, joinedAt, place }) => ({
        conversationId,
        userId,
        joinedAt,
        place,
        role: 'member' as const,
        root: hex(),
        stateSequence: 1,
        stateHead: hex(),
        stateRoot: hex()
      }))
    )
  )
  await insert(members, (rows) =>
    db.insert(tables.sessionKeyWraps).values(
      rows.map(({ sessionKeyId, deviceId }) => ({
        sessionKeyId,
        deviceId,
        wrappedKey: randomBytes(256),
        sends: true
      }))
    )
  )

  const signer = fastify()
  await registerAuth(signer, services)
  const tokens = people.map((session) => signer.signAccessToken(session).accessToken)
  await services.close()
  return {
    tokens,
    conversations: conversations.map(({ id, sessionKeyId, key }) => ({ id, sessionKeyId, key }))
  }
}
