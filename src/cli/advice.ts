import type { ChatError } from '../client/index.js'

/** What an error is about. Names come from verified chains, and need no sanitizing. */
export interface About {
  username?: string
  conversationId?: string
}

/** What the person can do after something that does not verify. @param me the user's own name, if it is known */
export function adviceOn(
  { code, heads, hint }: Pick<ChatError, 'code'> & Partial<Pick<ChatError, 'heads' | 'hint'>>,
  about: About = {},
  me?: string
): string {
  const served = heads?.served ?? 'HEAD'
  switch (code) {
    case 'displaced':
      return (
        'If you did, use this machine as a new device: secure-chat login NAME --new-device. If you did not, ' +
        'somebody has your password, or the server does it. Tell your contacts by another way.'
      )
    case 'revoked':
      return 'It sends nothing any more. To use this machine as a new device: secure-chat login NAME --new-device'
    case 'server-behind':
      return (
        'The server was restored from an older backup, or it hides something. Nothing is sent there until it ' +
        `shows the rest. ${takeChain(about, served, me)}`
      )
    case 'forked-chain':
      return (
        'The server may show different chains to different people. Ask the others by another way what they see. ' +
        takeChain(about, served, me)
      )
    case 'withheld-chain':
      return (
        'The server hides a part of a chain, or somebody says what is not true. Nothing of it was used. Ask the ' +
        'others by another way.'
      )
    case 'late-statement':
      return `Undo what nobody wanted. See: secure-chat conversations info ${about.conversationId ?? 'ID'}`
    case 'after-revocation':
    case 'after-removal':
      return (
        'It was refused, and a conversation stops before such a change. If everybody in it wants the change: ' +
        `secure-chat conversations accept ${about.conversationId ?? 'ID'} ${served}`
      )
    case 'identity-changed':
      return acceptIdentity(about.username ?? 'NAME')
    case 'old-backup':
      return (
        'It was revoked, or you have begun again with a new identity. On one of your devices, make another: ' +
        'secure-chat backup create. If you have none: secure-chat login NAME, then secure-chat devices reset'
      )
    case 'forged-invitation':
    case 'forged-link':
      return (
        `Ask ${about.username ?? 'the person'} by another way for a new link: they may have begun again. If that fails ` +
        'too, the server puts itself between you.'
      )
    case 'swapped-key':
      return 'Somebody may stand between your devices. Do not link them over this server.'
    case 'bad-wrap':
    case 'wrong-commitment':
      return 'Its maker has made it wrong for this device, or the server has. This device makes another one.'
    case 'ignored-statement':
    case 'ignored-request':
    case 'refused-statement':
    case 'refused-request':
      return 'Nothing has changed. Try again, and ask the operator of the server.'
    default:
      return (
        hint ??
        'Nothing of it was used. Ask the operator of the server. "secure-chat doctor" checks the rest.'
      )
  }
}

/** What the others do for a user who has begun again. */
export const ASK_FOR_RENEWAL =
  'If you have begun again, ask the others to accept your new identity (secure-chat accept NAME), and in a group ' +
  'to renew your membership then: secure-chat group renew GROUP NAME'

/** @param root the one that was announced; without it, `accept` shows the one to accept */
export function acceptIdentity(username: string, root?: string): string {
  const command = ['secure-chat accept', username, ...(root === undefined ? [] : [root])].join(' ')
  return `Compare safety numbers (secure-chat verify ${username}), then: ${command}`
}

/** Nobody takes another chain in the place of their own. */
function takeChain({ username, conversationId }: About, head: string, me: string | undefined): string {
  if (head === '-') return ''
  const only = 'Take the server’s chain only if you know why it is another one:'
  if (conversationId !== undefined)
    return `${only} secure-chat conversations accept ${conversationId} ${head}`
  if (username === undefined) return ''
  if (username === me) return 'It is your own chain: compare with your other devices.'
  return `${only} secure-chat contacts accept-chain ${username} ${head}`
}
