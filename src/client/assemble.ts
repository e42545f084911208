import { MembershipChanges } from './conversations/change.js'
import { ConversationChains } from './conversations/chains.js'
import { ConversationEvents } from './events/conversations.js'
import { DeviceEvents } from './events/devices.js'
import { EventHandler } from './events/handler.js'
import { MessageEvents } from './events/messages.js'
import { EventStream } from './events/stream.js'
import { Auth } from './features/auth.js'
import { Backup, type RecoveryClient } from './features/backup.js'
import { Contacts } from './features/contacts.js'
import { ConversationCreation } from './features/conversation-creation.js'
import { Conversations } from './features/conversations.js'
import { Devices } from './features/devices.js'
import { DeviceRekey } from './features/rekey.js'
import { Sessions } from './features/sessions.js'
import { Users } from './features/users.js'
import { OwnDevice } from './identity/own-device.js'
import { TrustStore } from './identity/trust-store.js'
import { UserChains } from './identity/user-chains.js'
import { MessageDecryptor } from './messages/decrypt.js'
import { StreamGaps } from './messages/gaps.js'
import { MessageHistory } from './messages/history.js'
import { SeenMessages } from './messages/seen.js'
import { TitleSearch } from './messages/title.js'
import type { ChatClientOptions } from './options.js'
import { OutboundKeys, type KeyLimits } from './outbox/outbound-key.js'
import { Outbox } from './outbox/outbox.js'
import { OutboxState } from './outbox/state.js'
import { SessionKeyFactory } from './session-keys/create.js'
import { KeyForwarding } from './session-keys/forward.js'
import { Rosters } from './session-keys/roster.js'
import { KeyRotation } from './session-keys/rotate.js'
import { SessionKeys } from './session-keys/store.js'
import { MemoryStore } from './stores/memory.js'
import { Api } from './transport/api.js'
import { Http } from './transport/http.js'

const TIMEOUT_MS = 30_000
/** Bounds on the use of a session key (protocol, "Session key"). */
export const KEY_LIMITS: KeyLimits = { messages: 10_000, ageMs: 7 * 24 * 3600 * 1000 }

export type Parts = Awaited<ReturnType<typeof assemble>>

/** Makes the parts of a client over its store, each with what it needs. Needs no network. */
export async function assemble(options: ChatClientOptions, keyLimits = KEY_LIMITS) {
  const { url, store, now = Date.now, random = Math.random, rsaKeyBits = 3072 } = options
  const { fetch = globalThis.fetch, timeout = TIMEOUT_MS, userAgent } = options

  const http = new Http({ url, fetch, random, timeout, userAgent })
  const api = new Api(http, store, now)

  const me = new OwnDevice(store, rsaKeyBits)
  const trust = new TrustStore(store)
  const users = new UserChains(api, store, trust)

  const chains = new ConversationChains(api, store, users)
  const changes = new MembershipChanges(api, users, trust, chains, me)

  const keys = new SessionKeys(api, store, users, chains, me, now)
  const factory = new SessionKeyFactory(users, me, now)
  const rosters = new Rosters(api, users, trust, chains, changes, me)
  const rotation = new KeyRotation(api, rosters, keys, factory, me, random)
  const forwarding = new KeyForwarding(api, store, users, keys, me)

  const seen = new SeenMessages(store)
  const decryptor = new MessageDecryptor(store, users, chains, keys, seen, me)
  const history = new MessageHistory(api, store, decryptor)
  const titles = new TitleSearch(store, chains, history)

  const outboxState = new OutboxState(store)
  const outboundKeys = new OutboundKeys(store, outboxState, keys, rosters, rotation, me, now, keyLimits)
  const outbox = new Outbox(api, store, outboxState, outboundKeys, rosters, seen, me, now)

  const rekey = new DeviceRekey(api, users, keys, me)
  /** Go on with whatever was interrupted. @returns the ids of the messages that were sent */
  const resume = async (): Promise<string[]> => {
    const sent = await outbox.flush()
    await forwarding.resume()
    await rekey.finish()
    return sent
  }
  const handler = new EventHandler(
    new MessageEvents(api, store, keys, decryptor, new StreamGaps(store, seen), me),
    new ConversationEvents(users, chains, forwarding, me),
    new DeviceEvents(api, users, trust, me)
  )
  const hooks = { connected: resume, takeOwn: () => outbox.takeRefused() }
  const events = new EventStream(api, store, handler, hooks, random)

  const auth = new Auth(http, api, store, me, users, trust, random, [users, chains, keys, seen])
  const devices = new Devices(api, users, keys, forwarding, me, auth, rekey)
  const creation = new ConversationCreation(api, users, trust, chains, rosters, keys, factory, me)
  const conversations = new Conversations(api, users, chains, changes, creation, titles, outbox, me)
  const openRecovery = (): Promise<RecoveryClient> =>
    assemble({ ...options, store: new MemoryStore() }, keyLimits)
  const backup = new Backup(api, store, users, forwarding, me, auth, devices, openRecovery)

  await me.load()
  await api.load()
  return {
    http,
    api,
    store,
    me,
    users,
    keys,
    decryptor,
    history,
    outbox,
    resume,
    events,
    auth,
    devices,
    sessions: new Sessions(api),
    directory: new Users(api, users),
    contacts: new Contacts(users, trust, me),
    conversations,
    backup
  }
}
