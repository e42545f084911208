import t from 'tap'
import { CryptoError } from '../../src/crypto/errors.js'
import { importSigningKey, verify } from '../../src/crypto/keys.js'
import { parseStatement } from '../../src/protocol/parse-statement.js'
import { RuleViolation } from '../../src/protocol/rule-violation.js'
import { statementText } from '../../src/protocol/statement-texts.js'
import type { Statement } from '../../src/protocol/statements.js'
import { isValidSignature, readSigningKey } from '../../src/server/chains/public-keys.js'
import { Problem } from '../../src/server/http/problem.js'
import { vectors } from '../support/vectors.js'

interface Case {
  title: string
  login: Omit<Statement<'device-login'>, 'kind'>
  text?: string
  signingKey: string
  signature: string
  refused?: string
}

const { cases } = vectors<{ cases: Case[] }>('device-logins')
const textOf = ({ login }: Case) => statementText({ kind: 'device-login', ...login })

async function onClient(one: Case): Promise<string> {
  try {
    const text = textOf(one)
    return (await verify(await importSigningKey(one.signingKey), text, one.signature))
      ? text
      : 'bad-signature'
  } catch (error) {
    if (error instanceof CryptoError || error instanceof RuleViolation) return error.code
    throw error
  }
}

function onServer(one: Case): string {
  try {
    const [text, { key }] = [textOf(one), readSigningKey(one.signingKey)]
    const isValid = isValidSignature(key, Buffer.from(text), Buffer.from(one.signature, 'base64'))
    return isValid ? text : 'bad-signature'
  } catch (error) {
    if (error instanceof Problem && error.code === 'invalid-key') return 'bad-key'
    if (error instanceof RuleViolation) return error.code
    throw error
  }
}

t.test('A sign-in with a key counts only for its server, user, device and nonce, on all sides', async (t) => {
  for (const one of cases) {
    t.equal(await onClient(one), one.refused ?? one.text, one.title)
    t.equal(onServer(one), one.refused ?? one.text)
    if (one.text !== undefined)
      t.strictSame(parseStatement(one.text, ['device-login']), { kind: 'device-login', ...one.login })
  }
})
