import t from 'tap'
import { importSigningKey } from '../../../src/crypto/keys.js'
import { statementHash, verifyStatement } from '../../../src/crypto/statements.js'
import { USER_STATEMENTS, verifyUserChain } from '../../../src/client/identity/verify-user-chain.js'
import { parseStatement } from '../../../src/protocol/parse-statement.js'
import type { SignedStatement } from '../../../src/protocol/schema.js'
import { extendUserChain, type ChainDevice, type UserChain } from '../../../src/protocol/user-chain.js'
import { userState, type UserHistory } from '../../../src/protocol/user-history.js'
import { refusal } from '../../support/refusal.js'
import { vectors } from '../../support/vectors.js'

interface State {
  sequence: number
  head: string
  root: string
  devices: ChainDevice[]
  retired: string[]
}

interface Case {
  title: string
  from?: State
  statements: SignedStatement[]
  then?: State
  attack?: string
  refused?: string
}

const { signingKeys, cases } = vectors<{ signingKeys: Record<string, string>; cases: Case[] }>('user-chains')
const keys = new Map(Object.entries(signingKeys))

async function verified(
  before: UserHistory | null,
  statements: readonly SignedStatement[]
): Promise<UserHistory> {
  return (await verifyUserChain('alice', before, statements, keys)).history!
}

/** A case that begins in the middle of a chain, of which only the state is given. */
async function extended(from: State, statements: readonly SignedStatement[]): Promise<UserChain> {
  const { sequence, head, root } = from
  const devices = new Map(from.devices.map((device) => [device.id, device]))
  let chain: UserChain = { user: 'alice', sequence, head, root, devices, retired: new Map() }
  for (const signed of statements) {
    const imported = Object.keys(signed.signatures).map(
      async (print) => [print, await importSigningKey(keys.get(print)!)] as const
    )
    const signers = await verifyStatement(signed, new Map(await Promise.all(imported)))
    const statement = parseStatement(signed.text, USER_STATEMENTS)
    chain = extendUserChain(chain, statement, await statementHash(signed.text), signers)
  }
  return chain
}

async function chainOf({ from, statements }: Case): Promise<State> {
  const chain = from ? await extended(from, statements) : (await verified(null, statements)).chain
  const { sequence, head, root, devices, retired } = chain
  return { sequence, head, root, devices: [...devices.values()], retired: [...retired.keys()] }
}

t.test('A user’s chain says which devices are active', async (t) => {
  const good = cases.filter(({ then }) => then !== undefined)
  t.ok(good.length > 15)
  for (const one of good) t.strictSame(await chainOf(one), one.then, one.title)
})

t.test('A statement that breaks a rule of a user’s chain is refused', async (t) => {
  const bad = cases.filter(({ refused }) => refused !== undefined)
  t.ok(bad.length > 55)
  for (const one of bad) {
    t.equal(await refusal(chainOf(one)), one.refused, `${one.attack}: ${one.title}`)
    const before = { ...one, statements: one.statements.slice(0, -1) }
    if (before.statements.length > 0) t.equal(await refusal(chainOf(before)), 'accepted', one.title)
  }
})

t.test('The past of a user’s chain is what the chain said then', async (t) => {
  for (const { title, from, statements, then } of cases) {
    if (from || then === undefined) continue
    let history: UserHistory | null = null
    const past: UserChain[] = []
    for (const signed of statements) {
      history = await verified(history, [signed])
      past.push(history.chain)
    }
    for (const { sequence, root, head, devices } of past) {
      const state = userState(history!, sequence)!
      const byId = new Map(state.devices.map((device) => [device.id, device]))
      t.strictSame({ root: state.root, devices: byId }, { root, devices }, `${title}, number ${sequence}`)
      t.equal(history!.hashes[sequence - 1], head)
    }
    t.equal(userState(history!, 0), undefined)
    t.equal(userState(history!, past.length + 1), undefined)
  }
})

t.test('A chain of another user is refused', async (t) => {
  const { statements } = cases[0]!
  t.equal(await refusal(verifyUserChain('bob', null, statements, keys)), 'invalid-statement')
})
