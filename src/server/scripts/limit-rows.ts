import { MAX_LINKS, RESERVED_LINKS } from '../../protocol/conversation-chain.js'
import { MAX_CONVERSATION_DEVICES } from '../../protocol/conversations.js'
import { MAX_KEY_BACKUP_BYTES } from '../../protocol/key-backup.js'
import {
  MAX_BATCH_BYTES,
  MAX_BATCH_MESSAGES,
  MAX_CIPHERTEXT_BYTES,
  MAX_MESSAGES_PER_KEY,
  RENEWAL_MESSAGES
} from '../../protocol/messages.js'
import type { ProblemCode } from '../../protocol/problems.js'
import { MAX_PAGE, MAX_PAGE_BYTES } from '../../protocol/schema.js'
import { MAX_MEMBERS } from '../../protocol/statements.js'
import { LAST_SEQUENCE } from '../../protocol/user-chain.js'
import { AT_FIRST_MS, AT_ONCE, MAX_WAITING, ONE_BY_ONE_MS } from '../access/fair-share.js'
import { ADMIN_SESSION_MINUTES } from '../features/admin/door.js'
import { WRAPS_BODY_LIMIT } from '../features/conversations/chain-routes.js'
import { MAX_PENDING } from '../features/devices/add.js'
import { MAX_WAIT_SECONDS } from '../features/events/page-route.js'
import { MESSAGE_BODY_LIMIT } from '../features/messages/routes.js'
import { MAX_ASKED } from '../features/presence/routes.js'
import { LATER_WRAPS_BODY_LIMIT } from '../features/session-keys/routes.js'
import { STATEMENTS_BODY_LIMIT } from '../features/users/chain-routes.js'
import { OF_ALL, OF_ONE } from '../http/body-budget.js'
import { BODY_LIMIT } from '../http/json-body.js'
import { HTTP_BOUNDS } from '../http/new-app.js'
import { QUEUE_BYTES } from '../log/group-commit.js'
import { bytes, code, number, time, value } from './limit-texts.js'

/** A limit of the page, which is not counted in windows of time. */
export type Row = [what: string, most: string, per: string, problem: ProblemCode | null, room: string]

export function stored(): Row[] {
  const day = 'after 24 hours; `Retry-After`'
  return [
    [
      'conversations created or accepted',
      `${value('MAX_CONVERSATIONS')}; requests that wait already can be accepted beyond that`,
      'user',
      'limit-reached',
      'when one is left'
    ],
    [
      'requests that wait',
      value('MAX_REQUESTS'),
      'user who gets them',
      'limit-reached',
      'when one is accepted or declined'
    ],
    ['users who are blocked', value('MAX_BLOCKS'), 'user', 'limit-reached', 'when one is unblocked'],
    ['uses of an invitation', value('INVITE_USES'), 'invitation', 'limit-reached', 'with less'],
    ['days of an invitation', value('INVITE_DAYS'), 'invitation', 'limit-reached', 'with less'],
    ['active devices', value('MAX_DEVICES'), 'user', 'too-many-devices', 'when one is revoked'],
    [
      'devices that wait for approval',
      number(MAX_PENDING),
      'user',
      'too-many-devices',
      'when one is approved or rejected, or after 7 days'
    ],
    ['new devices', `${value('DEVICE_ADDS_PER_DAY')} in 24 hours`, 'user', 'too-many-statements', day],
    [
      'new encryption keys',
      `${value('DEVICE_REKEYS_PER_DAY')} in 24 hours`,
      'device',
      'too-many-statements',
      day
    ],
    [
      'resets of all devices',
      `${value('DEVICE_RESETS_PER_DAY')} in 24 hours`,
      'user',
      'too-many-statements',
      day
    ],
    ...Object.entries(LAST_SEQUENCE).map(([kind, last]): Row => [
      `number of a ${code(kind)} in the user’s chain`,
      number(last),
      'user',
      'too-many-statements',
      'never'
    ]),
    ['sessions', value('MAX_SESSIONS'), 'user', null, 'a further one ends the one unused for longest'],
    ['open streams', value('MAX_CLIENTS_PER_DEVICE'), 'device', null, 'a further one ends the oldest'],
    ['open streams', value('MAX_CLIENTS_PER_USER'), 'user', null, 'a further one ends the oldest'],
    [
      'open streams',
      value('MAX_CLIENTS_PER_NETWORK'),
      'network and process',
      'too-many-requests',
      'when one ends; `Retry-After`'
    ],
    ['open streams', value('MAX_CLIENTS'), 'process', 'too-many-streams', 'when one ends; `Retry-After`'],
    ['members', number(MAX_MEMBERS), 'conversation', 'too-many-members', 'when one leaves'],
    [
      'devices of members',
      number(MAX_CONVERSATION_DEVICES),
      'conversation',
      'too-many-devices',
      'when one goes'
    ],
    [
      'statements of the chain',
      `${number(MAX_LINKS)}; the last ${number(RESERVED_LINKS)} for members who go, and for session keys`,
      'conversation',
      'conversation-full',
      'never'
    ],
    ['messages', number(MAX_MESSAGES_PER_KEY), 'session key', 'rekey-required', 'with a new session key'],
    [
      'changes and session keys; leaving is free',
      `${value('CHAIN_REQUESTS_AT_ONCE')} at once, then ${value('CHAIN_REQUESTS_PER_MINUTE')} a minute`,
      'member of a conversation',
      'too-many-requests',
      '`Retry-After`'
    ],
    [
      `session keys that no change asks for, before ${number(RENEWAL_MESSAGES)} messages under the newest`,
      `${value('SPARE_KEYS_PER_DAY')} in 24 hours`,
      'member of a conversation',
      'key-not-due',
      'after 24 hours'
    ]
  ]
}

export function turns(): Row[] {
  return [
    [
      'time that calls take, but for streams, sends, revocations, changes of the password and ends of sessions',
      `${AT_FIRST_MS} ms at first, then ${value('RATE_LIMIT_SHARE')} percent of all time; ${AT_ONCE} calls at once, and one by one after ${ONE_BY_ONE_MS} ms`,
      'user',
      null,
      'further calls wait, and the devices take turns'
    ],
    ['calls that wait for that', number(MAX_WAITING), 'device', 'too-many-requests', '`Retry-After`'],
    ['log-ins that wait for their hash', value('PASSWORD_QUEUE'), 'process', 'overloaded', '`Retry-After`'],
    ['messages that wait to be stored', value('SEND_QUEUE'), 'process', 'overloaded', '`Retry-After`'],
    ['… their ciphertext in base64', bytes(QUEUE_BYTES), 'process', 'overloaded', '`Retry-After`'],
    ['… their wait, in ms', value('SEND_WAIT'), 'process', 'overloaded', '`Retry-After`'],
    ['time to receive a request', time(HTTP_BOUNDS.requestMs), 'request', 'request-timeout', 'at once'],
    ['… its headers', time(HTTP_BOUNDS.headersMs), 'request', 'request-timeout', 'at once'],
    ['wait of a poll', `${MAX_WAIT_SECONDS} seconds`, 'poll', 'invalid-request', 'with less'],
    [
      'age of a session that administrates',
      `${ADMIN_SESSION_MINUTES} minutes`,
      'session',
      'fresh-sign-in-required',
      'with a new log-in'
    ]
  ]
}

export function sizes(): Row[] {
  const body = (what: string, limit: number): Row => [
    what,
    bytes(limit),
    'request',
    'payload-too-large',
    'with less'
  ]
  return [
    ['ciphertext with its tag', bytes(MAX_CIPHERTEXT_BYTES), 'message', 'payload-too-large', 'with less'],
    body('body', BODY_LIMIT),
    body('… with a message', MESSAGE_BODY_LIMIT),
    body('… with a batch of messages', MAX_BATCH_BYTES),
    body('… with statements of users', STATEMENTS_BODY_LIMIT),
    body('… with later wraps', LATER_WRAPS_BODY_LIMIT),
    body('… with a change and its session key', WRAPS_BODY_LIMIT),
    body('… with a key backup', MAX_KEY_BACKUP_BYTES),
    [
      `bodies above ${bytes(BODY_LIMIT)} that are under way`,
      bytes(OF_ONE),
      'user',
      'overloaded',
      'when they are answered'
    ],
    ['… of all users', bytes(OF_ALL), 'process', 'overloaded', 'when they are answered'],
    ['headers', bytes(HTTP_BOUNDS.headerBytes), 'request', 'headers-too-large', 'with less'],
    ['messages of a batch', number(MAX_BATCH_MESSAGES), 'request', 'invalid-request', 'with less'],
    ['items of a page', number(MAX_PAGE), 'request', 'invalid-request', 'with less'],
    ['bytes of a page', bytes(MAX_PAGE_BYTES), 'answer', null, 'the rest is on the next page'],
    ['users whose presence is asked for', number(MAX_ASKED), 'request', 'invalid-request', 'with less'],
    ['bytes that wait for a slow client', value('STREAM_BUFFER'), 'stream', null, 'the rest waits in the log']
  ]
}
