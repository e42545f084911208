import t from 'tap'
import { selfTest } from '../../src/client/index.js'
import { failure } from '../support/chat-clients.js'

t.test('The cryptography of this platform does what the protocol needs', async (t) => {
  await t.resolves(selfTest())
})

t.test('A platform that accepts any signature, or lacks an algorithm, fails the self-test', async (t) => {
  // Members of the object hide those of its prototype.
  const hide = (methods: Record<string, () => Promise<unknown>>) => Object.assign(crypto.subtle, methods)
  const show = (name: string) => Reflect.deleteProperty(crypto.subtle, name)
  hide({ verify: async () => true })
  t.match(await failure(selfTest()), { kind: 'usage', code: 'crypto-unavailable', cause: Error })
  show('verify')
  const verify = crypto.subtle.verify.bind(crypto.subtle)
  const withCofactor = async (...given: Parameters<typeof verify>) =>
    Buffer.from(given[3] as Uint8Array)
      .toString('hex')
      .startsWith('e47d62c6') || verify(...given)
  hide({ verify: withCofactor as () => Promise<unknown> })
  t.match(await failure(selfTest()), { code: 'crypto-unavailable', cause: { message: /cofactor/ } })
  show('verify')
  hide({ encrypt: () => Promise.reject(new DOMException('', 'NotSupportedError')) })
  t.match(await failure(selfTest()), { kind: 'usage', code: 'crypto-unavailable' })
  show('encrypt')
  await t.resolves(selfTest())
})
