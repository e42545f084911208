import { createHash, createHmac } from 'node:crypto'
import t from 'tap'
import { parseLink } from '../../src/client/features/links.js'
import { helloOf } from '../../src/client/features/newcomers.js'
import { OpenInvitations } from '../../src/client/identity/open-invitations.js'
import { MemoryStore } from '../../src/client/stores/memory.js'
import { decodeBase64 } from '../../src/crypto/encoding.js'
import { vectors } from '../support/vectors.js'

const { cases } = vectors<{
  cases: {
    link: string
    newcomerRoot: string
    hello: { invitation: string; proof: string }
    refused?: string
    attack?: string
  }[]
}>('invitations')

t.test('The client proves a link as the vectors do, and takes no other proof', async (t) => {
  for (const { link, newcomerRoot, hello, refused, attack } of cases) {
    const { token, inviter } = parseLink(link) as Extract<ReturnType<typeof parseLink>, { type: 'join' }>
    const secret = Buffer.from(inviter!.secret, 'base64url')
    const said = await helloOf(token, inviter!, newcomerRoot)
    if (refused === undefined) t.same(said, hello)
    else t.not(said.proof, hello.proof, String(attack))

    const open = new OpenInvitations(new MemoryStore(), () => 1000)
    const record = { id: '1', secret, root: inviter!.root, groups: [], maxUses: 1, uses: 0, expiresAt: 2000 }
    await open.keep(createHash('sha256').update(token).digest('hex'), record)
    const found = await open.check(hello.invitation, decodeBase64(hello.proof), newcomerRoot, 1500)
    t.equal(found === 'forged', refused !== undefined, attack ?? 'a good one')
    t.equal(
      await open.check(hello.invitation, decodeBase64(hello.proof), newcomerRoot, 2001),
      'forged',
      'late'
    )
    t.equal(await open.check('ab'.repeat(32), decodeBase64(hello.proof), newcomerRoot, 1500), undefined)
  }
})

t.test('The proof is HMAC-SHA-256 over the purpose and the bytes of both roots', (t) => {
  const [{ link, newcomerRoot, hello }] = cases as [(typeof cases)[0]]
  const [, token, , root, secret] = /#\/join\/(.*)\/(.*)\/(.*)\/(.*)$/.exec(link)!
  const mac = createHmac('sha256', Buffer.from(secret!, 'base64url'))
    .update('secure-chat/v1 invitation')
    .update(Buffer.from(root!, 'hex'))
    .update(Buffer.from(newcomerRoot, 'hex'))
  t.equal(mac.digest('base64'), hello.proof)
  t.equal(createHash('sha256').update(token!).digest('hex'), hello.invitation)
  t.end()
})
