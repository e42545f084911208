import t from 'tap'
import { importSigningKey } from '../../src/crypto/keys.js'
import { statementHash, verifyStatement } from '../../src/crypto/statements.js'
import type { CryptoKey } from '../../src/crypto/web-crypto.js'
import { statementText } from '../../src/protocol/statement-texts.js'
import { parseStatement } from '../../src/protocol/parse-statement.js'
import { type Statement } from '../../src/protocol/statements.js'
import { refusal } from '../support/refusal.js'
import { vectors } from '../support/vectors.js'

interface Case {
  title: string
  kind: Statement['kind']
  text: string
  signatures: Record<string, string>
  maySign: string[]
  statement?: Statement
  hash?: string
  refused?: string
}

const { signingKeys, cases } = vectors<{ signingKeys: Record<string, string>; cases: Case[] }>('statements')

async function signers({ kind, text, signatures, maySign }: Case): Promise<Set<string>> {
  parseStatement(text, [kind])
  const imported = new Map<string, CryptoKey>()
  for (const fingerprint of maySign)
    imported.set(fingerprint, await importSigningKey(signingKeys[fingerprint]!))
  return verifyStatement({ text, signatures }, imported)
}

t.test('A statement of each kind is written, parsed, hashed and verified', async (t) => {
  const good = cases.filter((one) => one.refused === undefined)
  t.equal(new Set(good.map(({ kind }) => kind)).size, 13, 'every kind')
  for (const one of good) {
    t.equal(statementText(one.statement!), one.text, one.title)
    t.strictSame(parseStatement(one.text, [one.kind]), one.statement)
    t.equal(await statementHash(one.text), one.hash)
    t.strictSame([...(await signers(one))].sort(), [...one.maySign].sort(), one.title)
  }
})

t.test('A statement in another form, or with another signature, is refused', async (t) => {
  const bad = cases.filter((one) => one.refused !== undefined)
  t.ok(bad.length > 500)
  for (const one of bad) t.equal(await refusal(signers(one)), one.refused, one.title)
})

t.test('No statement is written from malformed fields', async (t) => {
  const good = cases.find((one) => one.kind === 'device-revoke')!.statement as Statement<'device-revoke'>
  const bad = [
    { ...good, user: 'Alice' },
    { ...good, user: 'alice\ndevice x' },
    { ...good, sequence: 0 },
    { ...good, sequence: 1.5 },
    { ...good, sequence: 1e9 },
    { ...good, previous: '' },
    { ...good, device: good.device.toUpperCase() }
  ]
  for (const statement of bad)
    t.throws(() => statementText(statement), { code: 'invalid-statement' }, JSON.stringify(statement))
})
