/**
 * Every error response of the API: code → HTTP status, and a text that says what is wrong and how to fix it.
 * On the wire each is a problem document (RFC 9457) with the `type` `/problems/<code>`.
 */
export const problems = {
  'invalid-request': [400, 'The request is not valid. `errors` lists the parts to correct.'],
  'malformed-json': [400, 'The body is not valid JSON. Send one JSON document in UTF-8.'],
  'invalid-cursor': [400, 'The cursor is not one of this server. Use one from a response, or leave it out.'],
  'weak-password': [400, 'The password is a common one and easy to guess. Choose another one.'],
  'invalid-key': [
    400,
    'The public key has the wrong type, size or encoding. Send an accepted key as SPKI PEM.'
  ],
  'invalid-statement': [
    400,
    'The text of the statement is malformed. Send exactly the lines that its kind requires.'
  ],
  'invalid-signature': [
    400,
    'A required signature is missing or does not verify. Sign the exact bytes of the text.'
  ],
  unauthenticated: [
    401,
    'The access token is missing or not valid. Send `Authorization: Bearer <access token>`.'
  ],
  'token-expired': [401, 'The access token has expired. Get a new one from POST /v1/auth/refresh.'],
  'session-ended': [401, 'The session has expired or was revoked. Log in again.'],
  'invalid-credentials': [401, 'The username or the password is wrong. Check both.'],
  'invalid-refresh-token': [401, 'The refresh token is not valid. Log in again.'],
  'device-required': [
    403,
    'This needs a session with an active device. Log in with `deviceId`, or add a device.'
  ],
  'device-pending': [
    403,
    'The device is pending. Approve it with another device of the user, or reset the user’s devices.'
  ],
  'not-admin': [403, 'Only an admin whose identity is current may do this. Ask an admin of the group.'],
  'not-in-roster': [
    403,
    'This device is not in the roster. After a reset, another member has to renew the user.'
  ],
  forbidden: [403, 'The protocol does not allow this change.'],
  suspended: [403, 'The account is suspended. Ask an admin of the server.'],
  'wrong-password': [403, 'The current password is wrong. Nothing was changed.'],
  'registration-closed': [403, 'This server takes no new accounts. Ask an admin of the server.'],
  'invitation-required': [
    403,
    'This server takes new accounts only by invitation. Send `invite`, the token of a link.'
  ],
  'invitation-unavailable': [403, 'The invitation cannot be used. Ask for a new one.'],
  'reset-unavailable': [
    403,
    'The link for a new password cannot be used. Ask an admin of the server for a new one.'
  ],
  'contact-refused': [403, 'The user takes no new conversations from you.'],
  'server-admin-required': [403, 'Only an admin of the server may do this.'],
  'fresh-sign-in-required': [
    403,
    'The session of an admin is good for 10 minutes here. Log in again, with the password or the key of the device.'
  ],
  'not-found': [404, 'There is nothing at this address. Check the path and the method.'],
  'invite-not-found': [404, 'You have no such invitation.'],
  'message-not-found': [404, 'The server has no message with this id.'],
  'user-not-found': [404, 'There is no such user.'],
  'device-not-found': [404, 'You have no such device.'],
  'session-not-found': [404, 'You have no such session.'],
  'conversation-not-found': [404, 'There is no such conversation, or you are not in it.'],
  'session-key-not-found': [404, 'The conversation has no such session key.'],
  'key-backup-not-found': [404, 'You have no key backup.'],
  'username-taken': [409, 'The username is taken. Choose another one.'],
  'username-confusable': [409, 'The username looks like that of another user. Choose another one.'],
  'last-server-admin': [409, 'The last admin of the server cannot go. Make another user admin first.'],
  'limit-reached': [409, 'A limit is reached. `detail` says which, and what frees room.'],
  'id-conflict': [409, 'The id is in use for something else. Choose a new id.'],
  'key-in-use': [409, 'The key belongs to another device. Generate a new key pair.'],
  'stale-chain': [409, 'The chain has moved on. Apply the newer `statements` and build on the last one.'],
  'root-changed': [
    409,
    'The statement does not name the user’s current root. Fetch the user again and sign a new one.'
  ],
  'device-not-pending': [
    409,
    'Only a pending device can be rejected. Revoke an active one with a `device-revoke` statement.'
  ],
  'too-many-devices': [
    409,
    'The limit of active devices is reached, of this user or of the members of the conversation. Revoke one first.'
  ],
  'too-many-statements': [
    409,
    'The chain takes no more statements of this kind now. `detail` says which limit is reached and until when.'
  ],
  'already-member': [409, 'The user is already a member under the current root.'],
  'not-a-member': [409, 'The user is not a member of the conversation.'],
  'too-many-members': [409, 'The conversation has reached the limit of members. Remove one first.'],
  'direct-exists': [
    409,
    'You already share a direct conversation with this user. Use the one in `conversationId`.'
  ],
  'self-exists': [409, 'You already have a conversation with yourself. Use the one in `conversationId`.'],
  'last-admin': [
    409,
    'The last admin cannot leave, be removed or lose the role while others are in. Appoint another admin first.'
  ],
  'ambiguous-key': [
    409,
    'Two members of the conversation have bound this signing key. Nobody can sign with it.'
  ],
  'conversation-full': [
    409,
    'The chain of the conversation takes no more statements. Create another conversation.'
  ],
  'key-required': [409, 'This change needs a new session key in the same request. Send `key` with it.'],
  'key-not-due': [
    409,
    'Neither members nor devices have changed, the current session key is not worn out, and there were enough new ones today. Use the current one.'
  ],
  'stale-roster': [
    409,
    'The session key is not made for the current members and devices. Fetch the roster and make another one.'
  ],
  'rekey-required': [409, 'The session key is out of date. Create a new one for the current roster.'],
  'request-timeout': [408, 'The request did not arrive in time. Send it again.'],
  'precondition-failed': [
    412,
    'The stored version is not the one that the request names. Fetch it and decide again.'
  ],
  'payload-too-large': [413, 'The body is too large for this call. Send less.'],
  'unsupported-media-type': [
    415,
    'The call does not accept this media type. Send `application/json` in UTF-8 unless it names another one.'
  ],
  'expectation-failed': [417, 'The server meets no expectation but `100-continue`. Leave `Expect` out.'],
  'precondition-required': [
    428,
    'Name the version to replace: `If-Match` with its `ETag`, or `If-None-Match: *` for the first one.'
  ],
  'headers-too-large': [431, 'The headers of the request are too large. Send fewer or shorter ones.'],
  'too-many-requests': [429, 'Too many requests. Try again after `Retry-After` seconds.'],
  'internal-error': [500, 'The server failed. Its log has the cause under the request id in `instance`.'],
  overloaded: [503, 'The server is overloaded. Try again after `Retry-After` seconds.'],
  'too-many-streams': [503, 'The server has reached the limit of open streams. Try again later.'],
  'database-unavailable': [503, 'The database does not respond. Try again shortly.'],
  stopping: [503, 'The server is stopping or starting. Try again shortly.']
} as const satisfies Record<string, readonly [status: number, detail: string]>

export type ProblemCode = keyof typeof problems

/** `rekey-required` → `Rekey required` */
export function problemTitle(code: ProblemCode): string {
  const words = code.replaceAll('-', ' ')
  return words[0]!.toUpperCase() + words.slice(1)
}
