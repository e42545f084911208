import { sql } from 'drizzle-orm'
import {
  bigint,
  boolean,
  check,
  customType,
  index,
  integer,
  json,
  pgTable,
  primaryKey,
  text,
  timestamp,
  uniqueIndex,
  uuid
} from 'drizzle-orm/pg-core'
import type { AccountKind, ContactPolicy, ServerRole, SignInMethod } from '../../protocol/accounts.js'
import type { ConversationKind, Purpose, Role, UserStatement } from '../../protocol/statements.js'

const bytea = customType<{ data: Buffer; driverData: Uint8Array }>({
  dataType: () => 'bytea',
  fromDriver: (value) => Buffer.from(value),
  toDriver: (value) => value
})
const time = (name: string) => timestamp(name, { withTimezone: true, precision: 3 })
const createdAt = () => time('created_at').notNull().defaultNow()
const position = (name: string) => bigint(name, { mode: 'number' })
const signatures = () => json('signatures').$type<Record<string, string>>().notNull()

export const users = pgTable('users', {
  id: uuid().primaryKey(),
  username: text().notNull().unique(),
  /** The username with look-alike characters replaced (UTS 39): no two users have the same. */
  skeleton: text()
    .notNull()
    .generatedAlwaysAs(sql`replace(translate(username, '01', 'ol'), 'm', 'rn')`)
    .unique(),
  /** PBKDF2 in PHC form. Null after the erasure. */
  passwordHash: text('password_hash'),
  /** An admin may use `/v1/admin`. */
  role: text().$type<ServerRole>().notNull().default('member'),
  kind: text().$type<AccountKind>().notNull().default('member'),
  /** Who may begin a conversation with the user. */
  contactPolicy: text('contact_policy').$type<ContactPolicy>().notNull().default('requests'),
  suspendedAt: time('suspended_at'),
  /** The name, the chain and its public keys stay for ever. `suspendedAt` is set until everything else has gone. */
  erasedAt: time('erased_at'),
  chainSequence: integer('chain_sequence').notNull(),
  chainHead: text('chain_head').notNull(),
  root: text().notNull(),
  createdAt: createdAt()
})

/** Invitations to register. */
export const invites = pgTable(
  'invites',
  {
    id: uuid().primaryKey(),
    /** SHA-256 of the token. */
    tokenHash: bytea('token_hash').notNull().unique(),
    /** Null if the operator made it. */
    createdBy: uuid('created_by').references(() => users.id, { onDelete: 'cascade' }),
    note: text().notNull(),
    kind: text().$type<AccountKind>().notNull().default('member'),
    role: text().$type<ServerRole>().notNull().default('member'),
    maxUses: integer('max_uses').notNull(),
    uses: integer().notNull().default(0),
    createdAt: createdAt(),
    expiresAt: time('expires_at').notNull(),
    revokedAt: time('revoked_at')
  },
  (table) => [
    index('invites_maker').on(table.createdBy, table.createdAt),
    check('invites_uses', sql`${table.uses} between 0 and ${table.maxUses}`)
  ]
)

/** Who came with which invitation. */
export const inviteUses = pgTable(
  'invite_uses',
  {
    inviteId: uuid('invite_id')
      .notNull()
      .references(() => invites.id, { onDelete: 'cascade' }),
    userId: uuid('user_id')
      .notNull()
      .references(() => users.id, { onDelete: 'cascade' }),
    usedAt: time('used_at').notNull().defaultNow()
  },
  (table) => [
    primaryKey({ columns: [table.inviteId, table.userId] }),
    uniqueIndex('invite_uses_user').on(table.userId)
  ]
)

/** `userId` wants to hear nothing of `blockedId`. */
export const blocks = pgTable(
  'blocks',
  {
    userId: uuid('user_id')
      .notNull()
      .references(() => users.id, { onDelete: 'cascade' }),
    blockedId: uuid('blocked_id')
      .notNull()
      .references(() => users.id, { onDelete: 'cascade' }),
    createdAt: createdAt()
  },
  (table) => [
    primaryKey({ columns: [table.userId, table.blockedId] }),
    index('blocks_blocked').on(table.blockedId)
  ]
)

/** One-time links that set a new password. */
export const passwordResets = pgTable(
  'password_resets',
  {
    userId: uuid('user_id')
      .primaryKey()
      .references(() => users.id, { onDelete: 'cascade' }),
    /** SHA-256 of the token. */
    tokenHash: bytea('token_hash').notNull().unique(),
    expiresAt: time('expires_at').notNull()
  },
  (table) => [index('password_resets_expiry').on(table.expiresAt)]
)

/**
 * The acts of admins and operators. A trigger lets rows only be added, except that `address` and `details`
 * become null. `hash` covers the row before, and `details` by a salted hash.
 */
export const audit = pgTable('audit', {
  id: bigint({ mode: 'number' }).primaryKey(),
  at: time('at').notNull(),
  actorKind: text('actor_kind').$type<'user' | 'operator' | 'server'>().notNull(),
  /** A user's id. */
  actor: text(),
  action: text().notNull(),
  /** A user's id, or the id of what else it was done to. */
  subject: text(),
  details: json(),
  detailsSalt: bytea('details_salt'),
  detailsHash: bytea('details_hash').notNull(),
  address: text(),
  addressSalt: bytea('address_salt'),
  addressHash: bytea('address_hash').notNull(),
  hash: bytea().notNull()
})

export const userStatements = pgTable(
  'user_statements',
  {
    userId: uuid('user_id')
      .notNull()
      .references(() => users.id, { onDelete: 'cascade' }),
    sequence: integer().notNull(),
    kind: text().$type<UserStatement['kind']>().notNull(),
    /** The device that the statement names. */
    deviceId: uuid('device_id').notNull(),
    text: text().notNull(),
    signatures: signatures(),
    createdAt: createdAt()
  },
  (table) => [primaryKey({ columns: [table.userId, table.sequence] })]
)

export const devices = pgTable(
  'devices',
  {
    id: uuid().primaryKey(),
    userId: uuid('user_id')
      .notNull()
      .references(() => users.id, { onDelete: 'cascade' }),
    name: text().notNull(),
    status: text().$type<'pending' | 'active' | 'revoked'>().notNull(),
    purpose: text().$type<Purpose>().notNull(),
    signingKey: text('signing_key').notNull(),
    signingFingerprint: text('signing_fingerprint').notNull(),
    /** Empty if clients restored the statements of a retired device, whose key nobody needs any more. */
    encryptionKey: text('encryption_key').notNull(),
    encryptionFingerprint: text('encryption_fingerprint').notNull(),
    kemKey: bytea('kem_key'),
    /** `-` for a device without a KEM key. */
    kemFingerprint: text('kem_fingerprint').notNull(),
    encryptionVersion: integer('encryption_version').notNull(),
    /**
     * When the device last signed in or refreshed a session; null after a log-out: until the next log-in with the
     * password its key begins no session.
     */
    seenAt: time('seen_at').defaultNow(),
    /** The statement that a pending device wants approved; null once the device is active. */
    request: json().$type<{ text: string; signatures: Record<string, string> }>(),
    createdAt: createdAt()
  },
  (table) => [
    index('devices_user').on(table.userId),
    check('devices_status', sql`${table.status} in ('pending', 'active', 'revoked')`),
    check('devices_purpose', sql`${table.purpose} in ('chat', 'recovery')`)
  ]
)

/** Every public key that was ever bound to a device: none is bound twice. */
export const boundKeys = pgTable('bound_keys', {
  fingerprint: text().primaryKey(),
  deviceId: uuid('device_id')
    .notNull()
    .references(() => devices.id, { onDelete: 'cascade' })
})

export const sessions = pgTable(
  'sessions',
  {
    id: uuid().primaryKey(),
    userId: uuid('user_id')
      .notNull()
      .references(() => users.id, { onDelete: 'cascade' }),
    deviceId: uuid('device_id').references(() => devices.id, { onDelete: 'cascade' }),
    /** The generation of the valid refresh token; older ones have been used. */
    refreshGeneration: integer('refresh_generation').notNull().default(0),
    method: text().$type<SignInMethod>().notNull().default('password'),
    address: text().notNull(),
    userAgent: text('user_agent').notNull(),
    createdAt: createdAt(),
    lastUsedAt: time('last_used_at').notNull().defaultNow(),
    /** The earlier of idle and absolute expiry. */
    expiresAt: time('expires_at').notNull()
  },
  (table) => [
    index('sessions_user').on(table.userId),
    index('sessions_device').on(table.deviceId),
    index('sessions_expiry').on(table.expiresAt),
    check('sessions_method', sql`${table.method} in ('password', 'device')`)
  ]
)

/** Nonces of sign-ins with a device's key: each counts once, over all processes. */
export const usedNonces = pgTable(
  'used_nonces',
  {
    nonce: bytea('nonce').primaryKey(),
    /** Long after the nonce itself has expired. */
    expiresAt: time('expires_at').notNull()
  },
  (table) => [index('used_nonces_expiry').on(table.expiresAt)]
)

/** A user's sealed keys, for the case that all devices are lost. The server cannot read them. */
export const keyBackups = pgTable('key_backups', {
  userId: uuid('user_id')
    .primaryKey()
    .references(() => users.id, { onDelete: 'cascade' }),
  blob: bytea('blob').notNull(),
  /** The value of the header `ETag`: a hash of the bytes. */
  etag: text().notNull()
})

export const conversations = pgTable('conversations', {
  id: uuid().primaryKey(),
  kind: text().$type<ConversationKind>().notNull(),
  chainSequence: integer('chain_sequence').notNull(),
  chainHead: text('chain_head').notNull(),
  /** Makes a conversation unique: the two user ids of a direct one, sorted; user id and root of a `self` one. */
  uniqueKey: text('unique_key').unique(),
  memberCount: integer('member_count').notNull(),
  messageTtl: integer('message_ttl').notNull(),
  sessionKeyId: uuid('session_key_id').notNull(),
  /** From this time on the session key is out of date. Null while no member and no device has changed since. */
  outdatedAt: time('outdated_at'),
  createdAt: createdAt()
})

export const conversationStatements = pgTable(
  'conversation_statements',
  {
    conversationId: uuid('conversation_id')
      .notNull()
      .references(() => conversations.id, { onDelete: 'cascade' }),
    sequence: integer().notNull(),
    /** Sequence of the last statement of the same request. */
    request: integer().notNull(),
    hash: text().notNull(),
    text: text().notNull(),
    signatures: signatures(),
    /** Position of the request's event. */
    position: position('position').notNull(),
    createdAt: createdAt()
  },
  (table) => [primaryKey({ columns: [table.conversationId, table.sequence] })]
)

/**
 * The members of a conversation, each from one event to another, both included. Without foreign keys: to check
 * them takes ten times as long as to insert a thousand rows, and the log's counter is locked meanwhile.
 */
export const memberships = pgTable(
  'memberships',
  {
    conversationId: uuid('conversation_id').notNull(),
    userId: uuid('user_id').notNull(),
    joinedAt: position('joined_at').notNull(),
    /** The member's place among those who joined with the same event. */
    place: integer().notNull(),
    leftAt: position('left_at'),
    role: text().$type<Role>().notNull(),
    root: text().notNull(),
    /** This and the next two: where the user's chain ended for the newest session key, and its root there. */
    stateSequence: integer('state_sequence').notNull(),
    stateHead: text('state_head').notNull(),
    stateRoot: text('state_root').notNull(),
    /** When the member's requests to the chain will be paid for, at the rate of the budget. */
    spentUntil: time('spent_until'),
    /** The stranger who added the user, as long as the user has not accepted. */
    requestedBy: uuid('requested_by')
  },
  (table) => [
    primaryKey({ columns: [table.userId, table.conversationId, table.joinedAt] }),
    // The user comes first: PostgreSQL 18 may look for a user in every conversation of an index that begins with those.
    uniqueIndex('memberships_current')
      .on(table.userId, table.conversationId)
      .where(sql`${table.leftAt} is null`),
    index('memberships_order')
      .on(table.conversationId, table.joinedAt, table.place)
      .where(sql`${table.leftAt} is null`),
    index('memberships_requests')
      .on(table.userId, table.requestedBy)
      .where(sql`${table.leftAt} is null and ${table.requestedBy} is not null`)
  ]
)

/** Session keys. Each has its statement in the conversation's chain. */
export const sessionKeys = pgTable(
  'session_keys',
  {
    id: uuid().primaryKey(),
    conversationId: uuid('conversation_id')
      .notNull()
      .references(() => conversations.id, { onDelete: 'cascade' }),
    /** Sequence and hash of the statement. */
    sequence: integer().notNull(),
    hash: text().notNull().unique(),
    makerId: uuid('maker_id').notNull(),
    /** Whether members or chains had moved, so that a new key was needed. */
    due: boolean().notNull(),
    messageCount: integer('message_count').notNull().default(0),
    createdAt: createdAt()
  },
  (table) => [
    uniqueIndex('session_keys_conversation').on(table.conversationId, table.sequence),
    index('session_keys_spare')
      .on(table.conversationId, table.makerId, table.createdAt)
      .where(sql`not ${table.due}`)
  ]
)

/** Session keys, encrypted for the devices of their rosters by the makers. */
export const sessionKeyWraps = pgTable(
  'session_key_wraps',
  {
    sessionKeyId: uuid('session_key_id')
      .notNull()
      .references(() => sessionKeys.id, { onDelete: 'cascade' }),
    deviceId: uuid('device_id').notNull(),
    /** Null once it is dropped. The row still says that the device is in the roster. */
    wrappedKey: bytea('wrapped_key'),
    /** Whether the device may send: a recovery device may not. */
    sends: boolean().notNull(),
    fetchedAt: time('fetched_at')
  },
  (table) => [
    primaryKey({ columns: [table.sessionKeyId, table.deviceId] }),
    index('session_key_wraps_device').on(table.deviceId),
    index('session_key_wraps_fetched')
      .on(table.fetchedAt)
      .where(sql`${table.fetchedAt} is not null and ${table.wrappedKey} is not null`)
  ]
)

/** Session keys, encrypted later by another device of the same user. */
export const addedWraps = pgTable(
  'added_wraps',
  {
    sessionKeyId: uuid('session_key_id')
      .notNull()
      .references(() => sessionKeys.id, { onDelete: 'cascade' }),
    deviceId: uuid('device_id').notNull(),
    addedBy: uuid('added_by').notNull(),
    wrappedKey: bytea('wrapped_key').notNull(),
    text: text().notNull(),
    signatures: signatures(),
    fetchedAt: time('fetched_at')
  },
  (table) => [
    primaryKey({ columns: [table.sessionKeyId, table.deviceId, table.addedBy] }),
    index('added_wraps_device').on(table.deviceId),
    index('added_wraps_fetched')
      .on(table.fetchedAt)
      .where(sql`${table.fetchedAt} is not null`)
  ]
)

/**
 * The counter of positions: one row, updated in the transaction that writes the events, so that positions
 * become visible in their order and without a gap.
 */
export const logHead = pgTable(
  'log_head',
  {
    one: boolean().primaryKey().default(true),
    last: position('last').notNull(),
    /** Names this log. Changes if the database turns out to be another one, such as a restored backup. */
    epoch: text().notNull(),
    /** Names the database in which the epoch was made. */
    origin: text().notNull()
  },
  (table) => [check('log_head_one', sql`${table.one}`)]
)

/**
 * The log. A message is an event with its envelope in columns; other events have `data`. The columns of
 * messages have no foreign keys: the statement that appends messages has checked each one.
 */
export const events = pgTable(
  'events',
  {
    position: position('position').primaryKey(),
    type: text().notNull(),
    /** The members of this conversation see the event; if null, the users in `event_recipients`. */
    conversationId: uuid('conversation_id'),
    createdAt: createdAt(),
    data: json(),
    /** The users whom the event adds to the conversation, and removes from it. */
    addedUsers: uuid('added_users').array(),
    removedUsers: uuid('removed_users').array(),
    messageId: uuid('message_id'),
    senderId: uuid('sender_id'),
    senderDeviceId: uuid('sender_device_id'),
    sessionKeyId: uuid('session_key_id'),
    iv: bytea('iv'),
    ciphertext: bytea('ciphertext'),
    signature: bytea('signature'),
    /** When the message was erased: a tombstone stays, without iv, ciphertext and signature. */
    deletedAt: time('deleted_at')
  },
  (table) => [
    index('events_conversation').on(table.conversationId, table.position),
    uniqueIndex('events_message')
      .on(table.messageId)
      .where(sql`${table.messageId} is not null`)
  ]
)

/** Without foreign keys, as `memberships`. */
export const eventRecipients = pgTable(
  'event_recipients',
  {
    userId: uuid('user_id').notNull(),
    position: position('position').notNull()
  },
  (table) => [
    primaryKey({ columns: [table.userId, table.position] }),
    index('event_recipients_position').on(table.position)
  ]
)

/** Running server processes. One whose lease has expired is dead, and nobody is online through it. */
export const processes = pgTable('processes', {
  id: uuid().primaryKey(),
  /** Rises with every change of the process' presence rows. */
  version: bigint({ mode: 'number' }).notNull().default(0),
  leaseUntil: time('lease_until').notNull()
})

/**
 * The users with an open stream on a process. Rows of users who have gone stay for a while, with `online =
 * false`.
 */
export const presence = pgTable(
  'presence',
  {
    processId: uuid('process_id')
      .notNull()
      .references(() => processes.id, { onDelete: 'cascade' }),
    userId: uuid('user_id')
      .notNull()
      .references(() => users.id, { onDelete: 'cascade' }),
    online: boolean().notNull(),
    version: bigint({ mode: 'number' }).notNull()
  },
  (table) => [
    primaryKey({ columns: [table.processId, table.userId] }),
    index('presence_user').on(table.userId),
    index('presence_version').on(table.processId, table.version)
  ]
)

/**
 * Windows of attempts, counted by all processes together. `key` is a MAC: a dump must not say whose they are.
 */
export const attempts = pgTable('attempts', {
  key: text().primaryKey(),
  count: bigint({ mode: 'number' }).notNull(),
  endsAt: time('ends_at').notNull()
})

/** What the operator tells all users: the newest one counts. */
export const notices = pgTable('notices', {
  at: time('at').primaryKey(),
  text: text().notNull()
})

/** Secrets that the processes on one database share if they are not configured. */
export const serverSecrets = pgTable('server_secrets', {
  name: text().primaryKey(),
  value: text().notNull(),
  createdAt: createdAt()
})
