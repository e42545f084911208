import { base64, isoTime } from '../../log/entry.js'

/** Rows of a table that belong to a user, as the export shows them. */
export interface Section {
  kind: string
  /** SQL: the tables. `t` is the one whose rows are shown; `me.id` is the user's id. */
  from: string
  /** SQL: which rows belong to the user. */
  where: string
  /** The columns that order the rows, no two of which have the same values, and their types: an index has them. */
  key: Record<string, 'uuid' | 'text' | 'bigint'>
  /** The fields, each with its SQL. */
  fields: Record<string, string>
}

const time = (column: string) => isoTime(column)

/** All that the database holds on a user, but for events, in order. Nothing of it is private to anybody else. */
export const SECTIONS: readonly Section[] = [
  {
    kind: 'account',
    from: 'users t',
    where: 't.id = me.id',
    key: { 't.id': 'uuid' },
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
    from: 'password_resets t',
    where: 't.user_id = me.id',
    key: { 't.user_id': 'uuid' },
    fields: { expiresAt: time('t.expires_at') }
  },
  {
    kind: 'statement',
    from: 'user_statements t',
    where: 't.user_id = me.id',
    key: { 't.sequence': 'bigint' },
    fields: {
      sequence: 't.sequence',
      text: 't.text',
      signatures: 't.signatures',
      createdAt: time('t.created_at')
    }
  },
  {
    kind: 'device',
    from: 'devices t',
    where: 't.user_id = me.id',
    key: { 't.id': 'uuid' },
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
    from: 'bound_keys t join devices d on d.id = t.device_id',
    where: 'd.user_id = me.id',
    key: { 't.fingerprint': 'text' },
    fields: { deviceId: 't.device_id', fingerprint: 't.fingerprint' }
  },
  {
    kind: 'session',
    from: 'sessions t',
    where: 't.user_id = me.id',
    key: { 't.id': 'uuid' },
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
    from: 'presence t',
    where: 't.user_id = me.id',
    key: { 't.process_id': 'uuid' },
    fields: { online: 't.online' }
  },
  {
    kind: 'invitation',
    from: 'invites t',
    where: 't.created_by = me.id',
    key: { 't.id': 'uuid' },
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
    from: 'invite_uses t',
    where: 't.user_id = me.id',
    key: { 't.invite_id': 'uuid' },
    fields: { usedAt: time('t.used_at') }
  },
  {
    kind: 'block',
    from: 'blocks t join users u on u.id = t.blocked_id',
    where: 't.user_id = me.id',
    key: { 't.blocked_id': 'uuid' },
    fields: { username: 'u.username', createdAt: time('t.created_at') }
  },
  {
    kind: 'key-backup',
    from: 'key_backups t',
    where: 't.user_id = me.id',
    key: { 't.user_id': 'uuid' },
    fields: { blob: base64('t.blob'), etag: 't.etag' }
  },
  {
    kind: 'membership',
    from: 'memberships t left join conversations c on c.id = t.conversation_id',
    where: 't.user_id = me.id',
    key: { 't.conversation_id': 'uuid', 't.joined_at': 'bigint' },
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
    from: 'session_keys t',
    where: 't.maker_id = me.id',
    key: { 't.id': 'uuid' },
    fields: {
      id: 't.id',
      conversationId: 't.conversation_id',
      sequence: 't.sequence',
      createdAt: time('t.created_at')
    }
  },
  {
    kind: 'wrap',
    from: 'session_key_wraps t join devices d on d.id = t.device_id',
    where: 'd.user_id = me.id',
    key: { 't.device_id': 'uuid', 't.session_key_id': 'uuid' },
    fields: {
      sessionKeyId: 't.session_key_id',
      deviceId: 't.device_id',
      wrappedKey: base64('t.wrapped_key'),
      fetchedAt: time('t.fetched_at')
    }
  },
  {
    kind: 'added-wrap',
    from: 'added_wraps t join devices d on d.id = t.device_id',
    where: 'd.user_id = me.id',
    key: { 't.device_id': 'uuid', 't.session_key_id': 'uuid', 't.added_by': 'uuid' },
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
    from: 'audit t',
    where: 't.actor = me.id::text or t.subject = me.id::text',
    key: { 't.id': 'bigint' },
    fields: {
      at: time('t.at'),
      action: 't.action',
      byYou: 'coalesce(t.actor = me.id::text, false)',
      details: 'case when t.subject = me.id::text or t.subject is null then t.details end',
      address: 'case when t.actor = me.id::text then t.address end'
    }
  }
]
