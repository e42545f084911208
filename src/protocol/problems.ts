/**
 * Every way in which the service says no: code → HTTP status and one sentence that says what is wrong and how
 * to mend it. On the wire each is an RFC 9457 problem whose `type` is `/problems/<code>`.
 */
export const problems = {
  'invalid-request': [400, 'The request does not have the required form; `errors` says where.'],
  'malformed-json': [400, 'The body is not valid JSON.'],
  'invalid-cursor': [400, 'The cursor was not made by this service. Use one that it handed out, or none.'],
  'weak-password': [400, 'The password is too easy to guess. Choose one that is not a common password.'],
  'invalid-key': [400, 'The public key is not accepted.'],
  'invalid-statement': [400, 'The statement does not have exactly the lines that its kind prescribes.'],
  'invalid-signature': [400, 'A required signature over the text is missing or does not verify.'],
  unauthenticated: [401, 'Send `Authorization: Bearer <access token>` with a valid access token.'],
  'token-expired': [401, 'The access token has expired. Get a new one from POST /v1/auth/refresh.'],
  'session-ended': [401, 'The session has ended or was revoked. Log in again.'],
  'invalid-credentials': [401, 'The username or the password is wrong.'],
  'invalid-refresh-token': [401, 'The refresh token is not valid. Log in again.'],
  'device-required': [403, 'This needs a session with an active device: log in with `deviceId`, or add one.'],
  'device-pending': [403, 'The device waits for approval by another device of the user, or for a reset.'],
  'not-admin': [403, 'Only an admin of the group, with a current identity, may do this.'],
  'not-in-roster': [403, 'This device is not in the roster: another member has to add the user again first.'],
  forbidden: [403, 'The protocol does not allow this.'],
  'not-found': [404, 'There is nothing at this address.'],
  'user-not-found': [404, 'There is no such user.'],
  'device-not-found': [404, 'You have no such device.'],
  'session-not-found': [404, 'You have no such session.'],
  'conversation-not-found': [404, 'There is no such conversation, or you are not in it.'],
  'session-key-not-found': [404, 'The conversation has no such session key.'],
  'key-backup-not-found': [404, 'You have no key backup.'],
  'username-taken': [409, 'The username is taken. Choose another one.'],
  'id-conflict': [409, 'The id is in use with other content. Make a new id.'],
  'key-in-use': [409, 'The key is bound to another device. Make a new key pair.'],
  'stale-chain': [409, 'The chain has moved on: apply the newer `statements` and build on the last of them.'],
  'root-changed': [409, 'The statement does not name the current root of that user. Fetch the user again.'],
  'device-not-pending': [
    409,
    'Only a device that waits for approval can be turned down. Revoke an active one by a statement.'
  ],
  'too-many-devices': [409, 'The user has as many active devices as are allowed. Revoke one first.'],
  'already-member': [409, 'The user is a member already, under the current root.'],
  'not-a-member': [409, 'The user is not a member.'],
  'too-many-members': [409, 'The conversation has as many members as are allowed.'],
  'direct-exists': [409, 'You share a direct conversation with that user already: `conversationId`.'],
  'stale-roster': [
    409,
    'The session key does not cover exactly the current roster. Fetch it and wrap again.'
  ],
  'rekey-required': [409, 'The session key is out of date: make a new one for the current roster.'],
  'request-timeout': [408, 'The request did not arrive in time. Send it again.'],
  'precondition-failed': [412, 'What is stored is not what the request names. Fetch it, and decide anew.'],
  'payload-too-large': [413, 'The body is larger than this route accepts.'],
  'unsupported-media-type': [
    415,
    'Send the body in the form that the call takes: application/json in UTF-8 unless it says otherwise.'
  ],
  'precondition-required': [
    428,
    'Name what is to be replaced: `If-Match` with its `ETag`, or `If-None-Match: *` where nothing may be yet.'
  ],
  'headers-too-large': [431, 'The header of the request is larger than the server accepts.'],
  'too-many-requests': [429, 'Too many requests. Wait as long as `Retry-After` says.'],
  'internal-error': [500, 'Something went wrong on our side. The log has it under this request id.'],
  overloaded: [503, 'The server has more work than it can take now. Try again after `Retry-After` seconds.'],
  'too-many-streams': [503, 'The server has as many open streams as it allows. Try again later.'],
  'database-unavailable': [503, 'The database does not answer at the moment. Try again shortly.'],
  stopping: [503, 'The server is stopping or starting. Try again shortly.']
} as const satisfies Record<string, readonly [status: number, detail: string]>

export type ProblemCode = keyof typeof problems

/** `rekey-required` → `Rekey required` */
export function problemTitle(code: ProblemCode): string {
  const words = code.replaceAll('-', ' ')
  return words[0]!.toUpperCase() + words.slice(1)
}
