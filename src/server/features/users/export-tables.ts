import { sql, type SQL } from 'drizzle-orm'
import type { Db } from '../../db/database.js'
import { rows } from '../../db/rows.js'
import { isoTime } from '../../log/entry.js'

/** Rows that are read at once: the longest have 6 KiB. */
export const PAGE = 200

/** Rows of a table that belong to a user, as the export shows them. */
interface Section {
  kind: string
  /** SQL: what stands behind `from`, with the user's id in it. */
  from: (userId: SQL) => SQL
  /** SQL: an expression that orders the rows, each with another value, and its type. */
  key: string
  type: 'uuid' | 'text' | 'bigint'
  /** The fields, each with its SQL. */
  fields: Record<string, string>
}

const time = (column: string) => isoTime(column)
const base64 = (column: string) => `replace(encode(${column}, 'base64'), E'\\n', '')`
const NIL = '00000000-0000-0000-0000-000000000000'
const FIRST = { uuid: NIL, text: '', bigint: '-1' } as const

/** All that the database holds on a user, but for events, in order. Nothing of it is private to anybody else. */
export const SECTIONS: readonly Section[] = [
  {
    kind: 'account',
    from: (userId) => sql`users t where t.id = ${userId}`,
    key: 't.id',
    type: 'uuid',
    fields: {
      id: 't.id',
      username: 't.username',
      role: 't.role',
      accountKind: 't.kind',
      contactPolicy: 't.contact_policy',
      root: 't.root',
      chainSequence: 't.chain_sequence',
      chainHead: 't.chain_head',
      createdAt: time('t.created_at')
    }
  },
  {
    kind: 'password-reset',
    from: (userId) => sql`password_resets t where t.user_id = ${userId}`,
    key: 't.user_id',
    type: 'uuid',
    fields: { expiresAt: time('t.expires_at') }
  },
  {
    kind: 'statement',
    from: (userId) => sql`user_statements t where t.user_id = ${userId}`,
    key: 't.sequence',
    type: 'bigint',
    fields: {
      sequence: 't.sequence',
      text: 't.text',
      signatures: 't.signatures',
      createdAt: time('t.created_at')
    }
  },
  {
    kind: 'device',
    from: (userId) => sql`devices t where t.user_id = ${userId}`,
    key: 't.id',
    type: 'uuid',
    fields: {
      id: 't.id',
      name: 't.name',
      status: 't.status',
      purpose: 't.purpose',
      signingKey: 't.signing_key',
      encryptionKey: 't.encryption_key',
      kemKey: base64('t.kem_key'),
      encryptionVersion: 't.encryption_version',
      request: 't.request',
      seenAt: time('t.seen_at'),
      createdAt: time('t.created_at')
    }
  },
  {
    kind: 'bound-key',
    from: (userId) => sql`bound_keys t join devices d on d.id = t.device_id where d.user_id = ${userId}`,
    key: 't.fingerprint',
    type: 'text',
    fields: { deviceId: 't.device_id', fingerprint: 't.fingerprint' }
  },
  {
    kind: 'session',
    from: (userId) => sql`sessions t where t.user_id = ${userId}`,
    key: 't.id',
    type: 'uuid',
    fields: {
      id: 't.id',
      deviceId: 't.device_id',
      method: 't.method',
      address: 't.address',
      userAgent: 't.user_agent',
      createdAt: time('t.created_at'),
      lastUsedAt: time('t.last_used_at'),
      expiresAt: time('t.expires_at')
    }
  },
  {
    kind: 'presence',
    from: (userId) => sql`presence t where t.user_id = ${userId}`,
    key: 't.process_id',
    type: 'uuid',
    fields: { online: 't.online' }
  },
  {
    kind: 'invitation',
    from: (userId) => sql`invites t where t.created_by = ${userId}`,
    key: 't.id',
    type: 'uuid',
    fields: {
      id: 't.id',
      note: 't.note',
      accountKind: 't.kind',
      role: 't.role',
      maxUses: 't.max_uses',
      uses: 't.uses',
      createdAt: time('t.created_at'),
      expiresAt: time('t.expires_at'),
      revokedAt: time('t.revoked_at')
    }
  },
  {
    kind: 'invitation-used',
    from: (userId) => sql`invite_uses t where t.user_id = ${userId}`,
    key: 't.invite_id',
    type: 'uuid',
    fields: { usedAt: time('t.used_at') }
  },
  {
    kind: 'block',
    from: (userId) => sql`blocks t join users u on u.id = t.blocked_id where t.user_id = ${userId}`,
    key: 't.blocked_id',
    type: 'uuid',
    fields: { username: 'u.username', createdAt: time('t.created_at') }
  },
  {
    kind: 'key-backup',
    from: (userId) => sql`key_backups t where t.user_id = ${userId}`,
    key: 't.user_id',
    type: 'uuid',
    fields: { blob: base64('t.blob'), etag: 't.etag' }
  },
  {
    kind: 'membership',
    from: (userId) =>
      sql`memberships t left join conversations c on c.id = t.conversation_id where t.user_id = ${userId}`,
    key: 't.joined_at',
    type: 'bigint',
    fields: {
      conversationId: 't.conversation_id',
      conversationKind: 'c.kind',
      role: 't.role',
      root: 't.root',
      joinedAt: 't.joined_at',
      leftAt: 't.left_at',
      isRequest: 't.requested_by is not null'
    }
  },
  {
    kind: 'session-key',
    from: (userId) => sql`session_keys t where t.maker_id = ${userId}`,
    key: 't.id',
    type: 'uuid',
    fields: {
      id: 't.id',
      conversationId: 't.conversation_id',
      sequence: 't.sequence',
      createdAt: time('t.created_at')
    }
  },
  {
    kind: 'wrap',
    from: (userId) =>
      sql`session_key_wraps t join devices d on d.id = t.device_id where d.user_id = ${userId}`,
    key: `t.session_key_id::text || t.device_id`,
    type: 'text',
    fields: {
      sessionKeyId: 't.session_key_id',
      deviceId: 't.device_id',
      wrappedKey: base64('t.wrapped_key'),
      fetchedAt: time('t.fetched_at')
    }
  },
  {
    kind: 'added-wrap',
    from: (userId) => sql`added_wraps t join devices d on d.id = t.device_id where d.user_id = ${userId}`,
    key: `t.session_key_id::text || t.device_id || t.added_by`,
    type: 'text',
    fields: {
      sessionKeyId: 't.session_key_id',
      deviceId: 't.device_id',
      wrappedKey: base64('t.wrapped_key'),
      statement: `json_build_object('text', t.text, 'signatures', t.signatures)`,
      fetchedAt: time('t.fetched_at')
    }
  },
  {
    // Details of what the user did to others are not shown, and no addresses of others.
    kind: 'audit',
    from: (userId) =>
      sql`(select a.*, a.actor = ${userId}::text as is_actor, a.subject = ${userId}::text as is_subject from audit a) t
        where t.is_actor or t.is_subject`,
    key: 't.id',
    type: 'bigint',
    fields: {
      at: time('t.at'),
      action: 't.action',
      byYou: 'coalesce(t.is_actor, false)',
      details: 'case when t.is_subject or t.subject is null then t.details end',
      address: 'case when t.is_actor then t.address end'
    }
  }
]

/** The lines of a section, page by page: each page is a statement of its own, and holds nothing afterwards. */
export async function* sectionPages(db: Db, section: Section, userId: string): AsyncGenerator<string[]> {
  const { kind, from, key, type, fields } = section
  const json = Object.entries(fields).map(([name, value]) => `'${name}', ${value}`)
  const line = sql.raw(`json_build_object('kind', '${kind}', ${json.join(', ')})::text`)
  const place = sql.raw(`(${key})`)
  const cast = sql.raw(type)
  for (let after: string = FIRST[type]; ;) {
    const found: { key: string; line: string }[] = await rows(
      db,
      sql`
select ${place}::text as key, ${line} as line from ${from(sql`${userId}::uuid`)} and ${place} > ${after}::${cast}
order by ${place} limit ${PAGE}`
    )
    yield found.map((row) => row.line)
    if (found.length < PAGE) return
    after = found.at(-1)!.key
  }
}
