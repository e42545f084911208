import { fakeHash } from './actors.js'
import { changeCases } from './conversations/changes.js'
import { creationCases } from './conversations/creation.js'
import { departureCases } from './conversations/departures.js'
import { keyCases } from './conversations/keys.js'
import { requestCases } from './conversations/requests.js'
import { resetCases } from './conversations/resets.js'
import { stateCases } from './conversations/states.js'
import { conversation, type Case, type Outcome, type Part, type Step } from './conversations/steps.js'
import { signingKeysIn, wrappingKeysIn } from './devices.js'
import { link, start, type Place } from './link.js'
import { people } from './people.js'

const groups = {
  creation: creationCases,
  changes: changeCases,
  keys: keyCases,
  states: stateCases,
  resets: resetCases,
  departures: departureCases,
  requests: requestCases
}

export async function conversationChainVectors() {
  const cases: object[] = []
  for (const [group, list] of Object.entries(groups))
    for (const one of list) cases.push({ group, ...(await made(one)) })
  const users = Object.fromEntries(people.map(({ username, statements }) => [username, statements]))
  return {
    version: 1,
    about: [
      'Conversations’ chains. users: whole chains of users; signingKeys and wrappingKeys: their public keys by hash,',
      'SPKI PEM or, for KEM keys, base64. A case is the chain of the conversation from its first statement. A step has',
      'statements as the server serves them. With then they are one request: a client takes it, and then tells the',
      'members, where their users’ chains ended for the maker (state), the newest key and the devices that it is',
      'wrapped for. With refused a client must refuse all of them, with that code, and goes on from where it was;',
      'attack says what the case would amount to otherwise. A client may find a wrong-roster when it first uses the',
      'key. The verdicts are the same for clients that know users’ chains to their end, and for those that know them as',
      'far as a key has named them; about a conversation-leave a client fetches them to their end.'
    ],
    conversation,
    signingKeys: signingKeysIn([users, cases]),
    wrappingKeys: wrappingKeysIn(users),
    users,
    cases
  }
}

async function made({ title, steps, attack }: Case) {
  let place: Place = start
  const shown: object[] = []
  const latest: Latest = { key: null, messageTtl: 0 }
  for (const step of steps) {
    const signed = await sign(step.parts, place)
    if (step.then) place = signed.place
    shown.push({ items: signed.items, ...verdict(step, signed, latest) })
  }
  return { title, ...(attack !== undefined && { attack }), steps: shown }
}

/** A session key has an id and a commitment that follow from its place in the chain. */
function named({ statement }: Part, { sequence }: Place): Part['statement'] {
  if (statement.kind !== 'conversation-key') return statement
  const sessionKey = `00000000-0000-4000-8000-${String(sequence + 1).padStart(12, '0')}`
  return { ...statement, sessionKey, commitment: fakeHash(`session key ${sequence + 1}`) }
}

async function sign(parts: readonly Part[], before: Place) {
  let place = before
  const items = []
  for (const part of parts) {
    const next = await link(named(part, place), part.signers, place, part.claimed)
    items.push(next.signed)
    place = next.place
  }
  return { items, place }
}

interface Latest {
  key: object | null
  messageTtl: number
}

function verdict({ parts, then, refused }: Step, { place }: { place: Place }, latest: Latest) {
  if (then === undefined) return { refused }
  const { statement, roster } = parts.at(-1)!
  latest.messageTtl = then.messageTtl ?? latest.messageTtl
  if (roster && statement.kind === 'conversation-key') {
    const { by } = statement
    const username = roster.find(([, { fingerprint }]) => fingerprint === by)![0].username
    const devices: Record<string, string[]> = {}
    for (const [{ username }, { id }] of roster) devices[username] = [...(devices[username] ?? []), id].sort()
    latest.key = { hash: place.head, by, username, roster: devices }
  }
  return {
    then: { ...place, members: then.members.map(member), messageTtl: latest.messageTtl, key: latest.key }
  }
}

/** A member from a line of an `Outcome`. */
function member(text: Outcome['members'][number]) {
  const [username, role, sequence, root = 1] = text.split(' ')
  const { roots } = people.find((one) => one.username === username)!
  return { username, role, root: roots[Number(root) - 1], state: Number(sequence) }
}
