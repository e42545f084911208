import t from 'tap'
import { startTarget } from '../../../support/bad-input.js'
import { expect } from '../../../support/interop/http.js'
import { SignedChain, type SignedDevice } from '../../../support/signed-chain.js'

const target = await startTarget(t)
const bob = await target.user('bob')
const alice = await target.user('alice')
const chain = new SignedChain(alice)
let stored = 1
/** Sends the statements. */
let poster = bob

/** Lets the chain grow up to a number of statements, and gives them to the server. */
async function grow(length: number, step: () => void): Promise<void> {
  while (chain.statements.length < length) step()
  while (stored < length) {
    const statements = chain.statements.slice(stored, Math.min(stored + 100, length))
    const keys = chain
      .keysAfter(stored)
      .filter(({ device }) => statements.some(({ text }) => text.includes(`device ${device}\n`)))
    expect(await chain.post(poster, stored, { statements, keys }), 201)
    stored += statements.length
  }
}

/** Tries one more statement, which the chain refuses. */
const tooMany = (step: () => unknown) => async () => {
  step()
  const answer = await chain.post(poster, stored)
  chain.statements.length = stored
  return answer
}

const refused = '409 too-many-statements'
let spare: SignedDevice | undefined
const addOrRevoke = () => {
  if (spare === undefined) spare = chain.add()
  else {
    chain.revoke(spare)
    spare = undefined
  }
}

t.test('The last places of a chain are for resets, and the very last for revocations', async (t) => {
  await grow(799, addOrRevoke)
  await grow(800, () => chain.rekey(chain.first))
  const { keys, version } = chain.first
  await target.refuses(t, [
    ['rekey 801', refused, tooMany(() => chain.rekey(chain.first)), /`device-rekey` up to number 800 only/]
  ])
  Object.assign(chain.first, { keys, version })
  await grow(900, addOrRevoke)
  await target.refuses(t, [
    ['add 901', refused, tooMany(() => chain.add()), /`device-add` up to number 900 only/]
  ])
  let last = chain.first
  await logIn()
  await grow(980, () => (last = chain.reset()))
  await logIn()
  await target.refuses(t, [
    ['reset 981', refused, tooMany(() => chain.reset()), /`device-reset` up to number 980 only/]
  ])
  await grow(981, () => chain.revoke(last, last))
  const known = await bob.user('alice')
  t.strictSame([known.sequence, known.head, known.active.size], [981, chain.head, 0])
})

/** A reset takes a session of its user without a device, and ends it. */
async function logIn(): Promise<void> {
  poster = await target.device('alice', { password: alice.password })
  expect(await poster.login(false), 200)
}
