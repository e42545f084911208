import { BASE64URL_16, SHA256_HEX, USERNAME } from '../../protocol/ids.js'
import { publicCall } from '../calls.js'
import { ChatError } from '../errors.js'
import type { Link } from '../types/invitations.js'

const ORIGIN = 'https?://[^\\s/#?@]{1,300}'
const join = new RegExp(
  `^(${ORIGIN})/#/join/(${BASE64URL_16})(?:/(${USERNAME})/(${SHA256_HEX})/(${BASE64URL_16}))?$`
)
const add = new RegExp(`^(${ORIGIN})/#/add/(${USERNAME})/(${SHA256_HEX})$`)

/**
 * Read a link. It is an invitation to register, or it names a user who has an account. Browsers do not send the part
 * after `#`.
 *
 * @throws {ChatError} `invalid-link` (`usage`)
 */
export function parseLink(link: string): Link {
  return publicCall(parse, 'parseLink')(link)
}

function parse(link: string): Link {
  const invitation = join.exec(link.trim())
  if (invitation !== null) {
    const [, url = '', token = '', username, root, secret] = invitation
    const inviter =
      username === undefined || root === undefined || secret === undefined ? null : { username, root, secret }
    return { type: 'join', url: originOf(url), token, inviter }
  }
  const [, url, username, root] = add.exec(link.trim()) ?? []
  if (url !== undefined && username !== undefined && root !== undefined)
    return { type: 'add', url: originOf(url), username, root }
  throw new ChatError('usage', 'invalid-link', 'This is no whole link of Secure Chat.', {
    hint: 'Copy all of it, also what comes after `#`.'
  })
}

/** @param origin of the server that this client uses @throws {ChatError} `other-server` (`usage`) */
export function requireServer({ url }: Link, origin: string): void {
  if (url === origin) return
  throw new ChatError('usage', 'other-server', `The link is for ${url}, and this client uses ${origin}.`)
}

export function formatLink(link: Link): string {
  if (link.type === 'add') return `${link.url}/#/add/${link.username}/${link.root}`
  const { url, token, inviter } = link
  const who = inviter === null ? '' : `/${inviter.username}/${inviter.root}/${inviter.secret}`
  return `${url}/#/join/${token}${who}`
}

function originOf(url: string): string {
  return URL.canParse(url) ? new URL(url).origin : url
}
