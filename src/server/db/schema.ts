import { sql } from 'drizzle-orm'
import {
  bigint,
  boolean,
  check,
  customType,
  foreignKey,
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
  /** PBKDF2 in PHC form. */
  passwordHash: text('password_hash').notNull(),
  chainSequence: integer('chain_sequence').notNull(),
  chainHead: text('chain_head').notNull(),
  root: text().notNull(),
  createdAt: createdAt()
})

export const userStatements = pgTable(
  'user_statements',
  {
    userId: uuid('user_id')
      .notNull()
      .references(() => users.id, { onDelete: 'cascade' }),
    sequence: integer().notNull(),
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
    signingKey: text('signing_key').notNull(),
    signingFingerprint: text('signing_fingerprint').notNull(),
    encryptionKey: text('encryption_key').notNull(),
    encryptionFingerprint: text('encryption_fingerprint').notNull(),
    encryptionVersion: integer('encryption_version').notNull(),
    /** The statement that a pending device wants approved; null once the device is active. */
    request: json().$type<{ text: string; signatures: Record<string, string> }>(),
    createdAt: createdAt()
  },
  (table) => [
    index('devices_user').on(table.userId),
    check('devices_status', sql`${table.status} in ('pending', 'active', 'revoked')`)
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
    index('sessions_expiry').on(table.expiresAt)
  ]
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
  kind: text().$type<'direct' | 'group'>().notNull(),
  chainSequence: integer('chain_sequence').notNull(),
  chainHead: text('chain_head').notNull(),
  /** The two user ids of a direct conversation, sorted, so that it exists once. */
  directKey: text('direct_key').unique(),
  sessionKeyId: uuid('session_key_id'),
  rekeyRequired: boolean('rekey_required').notNull().default(true),
  createdAt: createdAt()
})

export const conversationStatements = pgTable(
  'conversation_statements',
  {
    conversationId: uuid('conversation_id')
      .notNull()
      .references(() => conversations.id, { onDelete: 'cascade' }),
    sequence: integer().notNull(),
    text: text().notNull(),
    signatures: signatures(),
    createdAt: createdAt()
  },
  (table) => [primaryKey({ columns: [table.conversationId, table.sequence] })]
)

/** The members of a conversation, each from one event to another, both included. */
export const memberships = pgTable(
  'memberships',
  {
    conversationId: uuid('conversation_id')
      .notNull()
      .references(() => conversations.id, { onDelete: 'cascade' }),
    userId: uuid('user_id')
      .notNull()
      .references(() => users.id, { onDelete: 'cascade' }),
    joinedAt: position('joined_at').notNull(),
    leftAt: position('left_at'),
    role: text().$type<'admin' | 'member'>().notNull(),
    root: text().notNull()
  },
  (table) => [
    primaryKey({ columns: [table.conversationId, table.userId, table.joinedAt] }),
    uniqueIndex('memberships_current')
      .on(table.conversationId, table.userId)
      .where(sql`${table.leftAt} is null`),
    index('memberships_user').on(table.userId, table.conversationId)
  ]
)

export const sessionKeys = pgTable(
  'session_keys',
  {
    id: uuid().primaryKey(),
    conversationId: uuid('conversation_id')
      .notNull()
      .references(() => conversations.id, { onDelete: 'cascade' }),
    text: text().notNull(),
    signatures: signatures(),
    messageCount: integer('message_count').notNull().default(0),
    /** The order in which a conversation's keys were made. */
    serial: bigint({ mode: 'number' }).generatedAlwaysAsIdentity(),
    createdAt: createdAt()
  },
  (table) => [index('session_keys_conversation').on(table.conversationId)]
)

export const sessionKeyWraps = pgTable(
  'session_key_wraps',
  {
    sessionKeyId: uuid('session_key_id').notNull(),
    deviceId: uuid('device_id')
      .notNull()
      .references(() => devices.id, { onDelete: 'cascade' }),
    wrappedKey: bytea('wrapped_key').notNull(),
    /** Fingerprint of the encryption key that the session key is wrapped with. */
    wrappedFor: text('wrapped_for').notNull(),
    /** This and the next: the device's line in the roster. */
    signingFingerprint: text('signing_fingerprint').notNull(),
    encryptionFingerprint: text('encryption_fingerprint').notNull(),
    /** Whether the device is in the roster that the key's statement fixes, or was given the key later. */
    inRoster: boolean('in_roster').notNull()
  },
  (table) => [
    primaryKey({ columns: [table.sessionKeyId, table.deviceId] }),
    index('session_key_wraps_device').on(table.deviceId),
    foreignKey({
      name: 'session_key_wraps_session_key',
      columns: [table.sessionKeyId],
      foreignColumns: [sessionKeys.id]
    }).onDelete('cascade')
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
    messageId: uuid('message_id'),
    senderId: uuid('sender_id'),
    senderDeviceId: uuid('sender_device_id'),
    sessionKeyId: uuid('session_key_id'),
    iv: bytea('iv'),
    ciphertext: bytea('ciphertext'),
    signature: bytea('signature')
  },
  (table) => [
    index('events_conversation').on(table.conversationId, table.position),
    uniqueIndex('events_message')
      .on(table.messageId)
      .where(sql`${table.messageId} is not null`)
  ]
)

export const eventRecipients = pgTable(
  'event_recipients',
  {
    userId: uuid('user_id')
      .notNull()
      .references(() => users.id, { onDelete: 'cascade' }),
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
  count: integer().notNull(),
  endsAt: time('ends_at').notNull()
})

/** Secrets that the processes on one database share if they are not configured. */
export const serverSecrets = pgTable('server_secrets', {
  name: text().primaryKey(),
  value: text().notNull(),
  createdAt: createdAt()
})
