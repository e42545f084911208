import t from 'tap'
import {
  MAX_LINKS,
  RESERVED_LINKS,
  type ChainRequest,
  type ChainUsers,
  type ConversationChain
} from '../../src/protocol/conversation-chain.js'
import { extendConversationChain } from '../../src/protocol/extend-conversation-chain.js'
import type { ChangeStatement } from '../../src/protocol/statements.js'

const id = '0198c6f3-1c08-7a3e-b5f4-0d9e6b2c8103'
const hash = (digit: string) => digit.repeat(64)
const by = hash('a')
const state = { sequence: 1, head: hash('b') }
const device = {
  id,
  purpose: 'chat',
  signingKey: by,
  encryptionKey: by,
  kemKey: '-',
  encryptionVersion: 1
} as const
const users: ChainUsers = {
  owners: () => ['alice'],
  device: () => ({ ...device, root: by, added: 1, retired: null, keys: [] }),
  at: () => ({ root: by, devices: [device] })
}
const member = (role: 'admin' | 'member') => ({ role, root: by, state })

/** A group of three whose chain has this number of statements. */
function chain(sequence: number): ConversationChain {
  const members = new Map([
    ['alice', member('admin')],
    ['bob', member('member')],
    ['carol', member('member')]
  ])
  const key = { id, sequence, hash: hash('c'), commitment: by, roster: by, by, username: 'alice' }
  return { id, kind: 'group', sequence, head: hash('c'), members, messageTtl: 0, key }
}

type Change =
  { kind: 'conversation-remove'; username: string } | { kind: 'conversation-timer'; messageTtl: number }

function extend(sequence: number, ...changes: Change[]): ConversationChain {
  let previous = hash('c')
  const link = <S extends object>(statement: S, at: number) => {
    const made = {
      statement: { ...statement, conversation: id, sequence: sequence + at, previous, by },
      hash: hash(String(at))
    }
    previous = made.hash
    return made
  }
  const links = changes.map((change, at) => link(change, at + 1))
  const key = link(
    { kind: 'conversation-key' as const, sessionKey: id, commitment: by, state: [], roster: by },
    links.length + 1
  )
  const request = {
    changes: links as { statement: ChangeStatement; hash: string }[],
    key
  } as unknown as ChainRequest
  return extendConversationChain(chain(sequence), request, users, () => 0)
}

const timer = { kind: 'conversation-timer', messageTtl: 60 } as const
const remove = { kind: 'conversation-remove', username: 'bob' } as const

t.test('The last statements of a chain are kept for those who go, and for keys', async (t) => {
  const last = MAX_LINKS - RESERVED_LINKS
  t.equal(extend(last - 1, timer).messageTtl, 60)
  t.throws(() => extend(last, timer), { code: 'conversation-full' })
  t.equal(extend(last, remove).members.size, 2)
  t.equal(extend(MAX_LINKS - 1).sequence, MAX_LINKS)
  t.throws(() => extend(MAX_LINKS - 1, remove), { code: 'conversation-full' })
  t.throws(() => extend(MAX_LINKS), { code: 'conversation-full' })
})

t.test('A request changes the timer once', async (t) => {
  t.throws(() => extend(2, timer, { ...timer, messageTtl: 0 }), { code: 'invalid-statement' })
})
