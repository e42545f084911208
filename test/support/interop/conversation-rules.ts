import { value, values, type Link, type Parsed } from './chains.js'
import { check, given } from './refused.js'
import { stateAt, type Member, type Users } from './roster.js'
import { retiredAt, type UserState } from './user-chain.js'

/** What changes change. */
export interface Now {
  readonly kind: string
  readonly members: ReadonlyMap<string, Member>
  readonly messageTtl: number
}

type States = ReadonlyMap<string, UserState>

/**
 * The one user whose chain has bound this signing key, as far as the states reach.
 *
 * @throws Refused if there is none, or if two have
 */
export function signerOf(by: string, states: States, users: Users): string {
  const owners = [...states].filter(([name, { sequence }]) =>
    bindingsOf(by, name, users).some((binding) => binding.sequence <= sequence)
  )
  check(owners.length < 2, `two members bind the key ${by}`)
  return given(owners[0], `a link by ${by}, a device of no member`)[0]
}

const bindingsOf = (by: string, name: string, users: Users) =>
  [...(users.get(name)?.ever.values() ?? [])].filter(({ signingFp }) => signingFp === by)

/** One change by a signer. States are those of the key that ends the request. @throws Refused if a rule breaks */
export function applyChange(now: Now, change: Parsed, signer: string, states: States): Now {
  if (change.kind === 'conversation-create') return create(change, signer, states)
  const isCurrent = (name: string): boolean => now.members.get(name)?.root === states.get(name)?.root
  const isAdmin = now.members.get(signer)?.role === 'admin'
  check(now.members.has(signer) && isCurrent(signer), `${signer} is not in under a current root`)
  if (change.kind === 'conversation-timer') {
    check(now.kind === 'direct' || (now.kind === 'group' && isAdmin), `${signer} can't set a timer`)
    return { ...now, messageTtl: Number(value(change, 'message-ttl')) }
  }
  const [name = '', role = '', root = ''] = given(values(change, 'member')[0], `a ${change.kind}`)
  const members = new Map(now.members)
  const before = members.get(name)
  if (change.kind === 'conversation-renew') {
    check(before !== undefined && !isCurrent(name), `${name} is not in under a stale root`)
    check(before.role === role && states.get(name)?.root === root, `a renewal to ${role} ${root}`)
    const admins = [...members].filter(([, member]) => member.role === 'admin')
    const needsAdmin = admins.some(([admin]) => isCurrent(admin))
    check(now.kind === 'direct' || (now.kind === 'group' && (isAdmin || !needsAdmin)), 'no power to renew')
  } else {
    check(now.kind === 'group' && isAdmin, `a ${change.kind} by ${signer}, who is no admin of a group`)
    if (change.kind === 'conversation-add') {
      check(before === undefined, `${name} is in already`)
      check(states.get(name)?.root === root, `a root of ${name} that is not the current one`)
    } else {
      if (change.kind === 'conversation-role')
        check(before?.root === root && before.role !== role, `another root, or no other role, for ${name}`)
      check(before !== undefined, `${name} is not a member`)
      if (role !== 'admin') requireOtherAdmin(members, name)
    }
  }
  if (change.kind === 'conversation-remove') members.delete(name)
  else members.set(name, { role, root })
  return { ...now, members }
}

function create(change: Parsed, signer: string, states: States): Now {
  const kind = value(change, 'kind')
  const lines = values(change, 'member')
  const members = new Map(lines.map(([name = '', role = '', root = '']) => [name, { role, root }]))
  for (const [name, { root }] of members)
    check(states.get(name)?.root === root, `a root of ${name} that is not the current one`)
  check(members.has(signer), `made by ${signer}, who is not a member`)
  if (kind === 'group') check(members.get(signer)?.role === 'admin', 'made by a member who is no admin')
  else {
    check(lines.length === (kind === 'direct' ? 2 : 1), `${lines.length} members in a ${kind} conversation`)
    check(
      lines.every(([, role]) => role === 'member'),
      `an admin in a ${kind} conversation`
    )
  }
  return { kind, members, messageTtl: 0 }
}

/** @throws Refused if nobody would be admin any more, though others are in */
function requireOtherAdmin(members: ReadonlyMap<string, Member>, name: string): void {
  const others = [...members].filter(([other]) => other !== name)
  const isSafe = others.length === 0 || others.some(([, { role }]) => role === 'admin')
  check(members.get(name)?.role !== 'admin' || isSafe, `${name} is the last admin`)
}

/**
 * The signer goes. It is a `chat` device that the member's chain has or had under the root of the line, and that
 * the newest state does not know as retired. A key that a state knows as another member's is not the signer's.
 */
export function applyLeave(
  chain: {
    readonly kind: string
    readonly members: Now['members']
    readonly states: ReadonlyMap<string, Link>
  },
  by: string,
  users: Users
): Pick<Now, 'members'> & { readonly username: string; readonly states: ReadonlyMap<string, Link> } {
  check(chain.kind === 'group', `a leave from a ${chain.kind} conversation`)
  const states = new Map([...chain.states].map(([name, state]) => [name, stateAt(users, name, state)]))
  const bindings = [...states.keys()].flatMap((name) =>
    bindingsOf(by, name, users).map((binding) => ({ ...binding, name }))
  )
  const known = bindings.filter(({ name, sequence }) => sequence <= (states.get(name)?.sequence ?? 0))
  const owners = known.length > 0 ? known : bindings
  check(owners.length < 2, `two members bind the key ${by}`)
  const device = given(owners[0], `a leave by ${by}, a device of no member`)
  const { name, purpose, root, id } = device
  const state = given(states.get(name), name)
  const retired = retiredAt(given(users.get(name), name), state).some((gone) => gone.id === id)
  check(purpose === 'chat' && !retired, `a leave by ${by}, which may not sign`)
  check(root === chain.members.get(name)?.root, `a leave by ${by}, which is under another root`)
  requireOtherAdmin(chain.members, name)
  const members = new Map(chain.members)
  members.delete(name)
  const rest = new Map(chain.states)
  rest.delete(name)
  return { username: name, members, states: rest }
}
