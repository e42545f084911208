import { helloOf } from '../../../src/client/features/newcomers.js'
import { formatLink } from '../../../src/client/features/links.js'
import { alice, bob, mallory, type Actor } from './actors.js'

const token = 'AAECAwQFBgcICQoLDA0ODw'
const secret = 'EBESExQVFhcYGRobHB0eHw'
const other = 'ICEiIyQlJicoKSorLC0uLw'

export async function invitationVectors() {
  const url = 'https://chat.example.org'
  const link = (inviter: Actor) =>
    formatLink({
      type: 'join',
      url,
      token,
      inviter: { username: 'alice', root: inviter.fingerprint, secret }
    })
  const said = (inviter: Actor, newcomer: Actor, by = secret) =>
    helloOf(token, { root: inviter.fingerprint, secret: by }, newcomer.fingerprint)
  const base = { link: link(alice), newcomerRoot: bob.fingerprint }
  const refused = 'forged-invitation'
  return {
    about: [
      'A link, the root of the newcomer, and the `hello` that proves the link: its `invitation` and its `proof`.',
      'A hello with `refused` verifies nobody.'
    ],
    cases: [
      { ...base, hello: await said(alice, bob) },
      { link: link(mallory), newcomerRoot: alice.fingerprint, hello: await said(mallory, alice) },
      {
        ...base,
        hello: await said(alice, bob, other),
        refused,
        attack: 'Whoever learns the token, such as the server, passes for the invited person.'
      },
      {
        ...base,
        hello: await said(alice, mallory),
        refused,
        attack: 'The server passes on the proof of the newcomer, and puts its own identity in their place.'
      },
      {
        ...base,
        hello: await said(mallory, bob),
        refused,
        attack: 'The newcomer was shown another inviter, and the proof is passed on to the real one.'
      },
      {
        ...base,
        hello: await said(bob, alice),
        refused,
        attack: 'The roots change places, and the proof is sent back to the one who made it.'
      }
    ]
  }
}
