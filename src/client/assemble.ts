import { RENEWAL_MESSAGES } from '../protocol/messages.js'
import { ChainFetcher } from './conversations/chain-fetcher.js'
import { ChainLoader } from './conversations/chain-loader.js'
import { ChainStore } from './conversations/chain-store.js'
import { ConversationChains } from './conversations/chains.js'
import { FirstContact } from './conversations/first-contact.js'
import { Boundaries } from './conversations/boundaries.js'
import { Goings } from './conversations/goings.js'
import { RequestTaker } from './conversations/request-taker.js'
import { TrustedMembers } from './conversations/trusted-members.js'
import { ConversationEvents } from './events/conversations.js'
import { ContactEvents } from './events/first-contact.js'
import { DeviceEvents } from './events/devices.js'
import { EventHandler } from './events/handler.js'
import { MessageEvents } from './events/messages.js'
import { InvitationEvents } from './events/invitations.js'
import { EventStream } from './events/stream.js'
import { Auth } from './features/auth.js'
import { Approval } from './features/approval.js'
import { Backup } from './features/backup.js'
import { DeviceList } from './features/device-list.js'
import { Invitations } from './features/invitations.js'
import { Linking } from './features/linking.js'
import { Newcomers } from './features/newcomers.js'
import { Registration } from './features/registration.js'
import type { RecoveryClient } from './features/recovery-client.js'
import { ResetStatement } from './features/reset-statement.js'
import { Reports } from './features/reports.js'
import { Restore } from './features/restore.js'
import { TrustSharing } from './features/trust-sharing.js'
import { PendingStatements } from './identity/pending.js'
import { RekeySchedule } from './identity/rekey-schedule.js'
import { RetiredKeys } from './session-keys/retired-keys.js'
import { ContactRules } from './features/contact-rules.js'
import { Contacts } from './features/contacts.js'
import { ConversationCreation } from './features/conversation-creation.js'
import { Conversations } from './features/conversations.js'
import { Devices } from './features/devices.js'
import { Membership } from './features/membership.js'
import { DeviceRekey } from './features/rekey.js'
import { Requests } from './features/requests.js'
import { ShownHistory } from './features/shown-history.js'
import { OwnAccount } from './features/own-account.js'
import { Sessions } from './features/sessions.js'
import { Users } from './features/users.js'
import { Alarms } from './identity/alarms.js'
import { ChainDoubts } from './identity/chain-doubts.js'
import { ErasedUsers } from './identity/erased-users.js'
import { HeardHeads } from './identity/heard-heads.js'
import { OpenInvitations } from './identity/open-invitations.js'
import { OwnChain } from './identity/own-chain.js'
import { signInWithKey } from './identity/sign-in-with-key.js'
import { OwnDevice } from './identity/own-device.js'
import { PublicKeys } from './identity/public-keys.js'
import { TrustStore } from './identity/trust-store.js'
import { UserChains } from './identity/user-chains.js'
import { MessageDecryptor } from './messages/decrypt.js'
import { StreamGaps } from './messages/stream-gaps.js'
import { MessageHistory } from './messages/history.js'
import { SeenMessages } from './messages/seen.js'
import { TrustInbox } from './messages/trust-inbox.js'
import { MissedTrust } from './messages/missed-trust.js'
import { TitleSearch } from './messages/title.js'
import type { ChatClientOptions } from './options.js'
import { InTime } from './messages/in-time.js'
import { OutboundKeys } from './outbox/outbound-key.js'
import { Outbox } from './outbox/outbox.js'
import { OutboxState } from './outbox/state.js'
import { SealingConditions } from './session-keys/conditions.js'
import { LeftOutDevices } from './session-keys/left-out.js'
import { LostRequests } from './session-keys/lost-requests.js'
import { KeyForwarding } from './session-keys/forward.js'
import { KeyOpener } from './session-keys/open.js'
import { PendingRequests } from './session-keys/pending.js'
import { PendingPosts } from './session-keys/pending-posts.js'
import { Rosters } from './session-keys/roster.js'
import { KeyRenewals } from './session-keys/renewals.js'
import { ChainRequests } from './session-keys/requests.js'
import { Sealing, type KeyLimits } from './session-keys/sealing.js'
import { SessionKeys } from './session-keys/store.js'
import { WrongWraps } from './session-keys/wrong-wraps.js'
import { MemoryStore } from './stores/memory.js'
import { Api } from './transport/api.js'
import { resumeAll } from './resume.js'
import { Http } from './transport/http.js'

const TIMEOUT_MS = 30_000
/** Bounds on the use of a session key (protocol, "Session key"). */
export const KEY_LIMITS: KeyLimits = { messages: RENEWAL_MESSAGES, ageMs: 7 * 24 * 3600 * 1000 }

export type Parts = Awaited<ReturnType<typeof assemble>>

/** Makes the parts of a client over its store, each with what it needs. Needs no network. */
export async function assemble(options: ChatClientOptions, keyLimits = KEY_LIMITS) {
  const { url, store, now = Date.now, random = Math.random, rsaKeyBits = 3072 } = options
  const { fetch = globalThis.fetch, timeout = TIMEOUT_MS, userAgent } = options

  const http = new Http({ url, fetch, random, timeout, userAgent })
  const me = new OwnDevice(store, rsaKeyBits)
  const api = new Api(
    http,
    store,
    now,
    () => performance.now(),
    () => signInWithKey(http, me)
  )
  const { lost } = store
  // Nothing that is only in memory can be trusted to last, and nothing waits for an answer that it can't keep.
  lost?.addEventListener('abort', () => http.close(lost.reason))

  const alarms = new Alarms(store)
  const trust = new TrustStore(store)
  const heads = new HeardHeads(store, alarms)
  const doubts = new ChainDoubts(store)
  const users = new UserChains(api, store, me, trust, new PublicKeys(store), alarms, heads, doubts)
  const own = new OwnChain(users, me)
  const erased = new ErasedUsers(store)

  const contact = new FirstContact(store)
  const rules = new ContactRules(api, contact)
  const boundaries = new Boundaries(store)
  const goings = new Goings(boundaries, alarms)
  const chainStore = new ChainStore(store, now)
  const fetcher = new ChainFetcher(api, alarms, doubts)
  const loader = new ChainLoader(chainStore, users, goings, me)
  const taker = new RequestTaker(chainStore, fetcher, loader, goings, boundaries, heads)
  const chains = new ConversationChains(chainStore, loader, taker, alarms, doubts)
  users.whenGone((username) => chains.lookAfter(username))
  const trusted = new TrustedMembers(trust, alarms, me)

  const opener: KeyOpener = new KeyOpener(api, users, chains, me, (...opened) => leftOut.opened(...opened))
  const keys = new SessionKeys(store, chains, opener, now)
  const conditions = new SealingConditions(users, heads, chains, trusted)
  const rosters = new Rosters(api, users, chains)
  const requests = new ChainRequests(
    api,
    users,
    own,
    chains,
    conditions,
    rosters,
    new PendingPosts(
      api,
      chains,
      conditions,
      keys,
      new PendingRequests(store),
      new LostRequests(store, chains, me, alarms)
    ),
    random
  )
  const sealing = new Sealing(store, own, chains, conditions, keys, requests, now, keyLimits)
  const pending = new PendingStatements(api, store, users, own)
  const renewals = new KeyRenewals(api, store, own, pending, requests, now)
  const wrongWraps = new WrongWraps(store, requests, keys, alarms, (lacks) => sharing.ask(lacks), now)
  const forwarding = new KeyForwarding(api, store, users, own, keys)
  const leftOut = new LeftOutDevices(store, users, chains, forwarding, me)

  const seen = new SeenMessages(store)
  const inTime = new InTime(store, chains, goings, boundaries, seen)
  const decryptor = new MessageDecryptor(store, users, chains, keys, inTime, seen, me, alarms)
  const history = new MessageHistory(api, store, decryptor)
  const titles = new TitleSearch(store, chains, history)

  const queue = new OutboxState(store, seen)
  const outboundKeys = new OutboundKeys(store, queue, rosters, sealing, me)
  const outbox = new Outbox(api, store, queue, outboundKeys, seen, alarms, now)

  const schedule = new RekeySchedule(store, now, random)
  const retired = new RetiredKeys(api, store, chains, keys, me, alarms, now)
  const rekey = new DeviceRekey(users, me, own, pending, schedule, retired)
  const list = new DeviceList(api, users, me)
  const approval = new Approval(users, own, pending, schedule, forwarding, list)
  const linking = new Linking(api, store, users)
  const reset = new ResetStatement(api, users, pending)
  const caches = [users, chains, keys, seen, alarms]
  const auth = new Auth(http, api, store, me, users, trust, reset, linking, random, caches)
  const devices = new Devices(
    api,
    store,
    users,
    me,
    own,
    pending,
    alarms,
    keys,
    renewals,
    list,
    approval,
    auth,
    rekey,
    () => sharing.flush()
  )
  const creation = new ConversationCreation(users, trusted, chains, requests, me)
  const membership = new Membership(users, trusted, requests)
  const conversations = new Conversations(
    api,
    chains,
    membership,
    creation,
    titles,
    outbox,
    me,
    contact,
    erased,
    () => sharing.tellHeads()
  )
  const sharing = new TrustSharing(store, users, trust, own, chains, creation, outbox, now, random)
  const inbox = new TrustInbox(users, trust, heads, chains, decryptor, me, forwarding)
  const gaps = new StreamGaps(store, seen, history, (message) => decryptor.isFromStart(message))
  const missed = new MissedTrust(api, store, trust, chains, history, inbox, alarms)
  const resume = (): Promise<string[]> =>
    resumeAll(
      outbox,
      [devices, requests],
      [
        ...[forwarding, renewals, wrongWraps],
        ...[{ resume: () => missed.read() }, { resume: () => sharing.flush() }],
        ...[rekey, backup, newcomers, rules]
      ]
    )
  const open = new OpenInvitations(store, now)
  const newcomers = new Newcomers(store, users, alarms, creation, outbox, conversations, now)
  const arrivals = new InvitationEvents(users, trust, chains, contact, open, () => newcomers.resume())
  const handler = new EventHandler(
    new MessageEvents(api, store, keys, decryptor, gaps, inbox, chains, boundaries, wrongWraps, arrivals),
    new ConversationEvents(store, chains, forwarding, leftOut, me, contact),
    new DeviceEvents(api, users, boundaries, renewals, leftOut, me, erased),
    new ContactEvents(store, contact, chains, me)
  )
  const hooks = {
    connected: resume,
    alive: () => Promise.all([renewals.resumeIfDue(), newcomers.resumeIfDue()]),
    takeOwn: () => alarms.take()
  }
  const events = new EventStream(api, store, handler, hooks, random)

  const openRecovery = (): Promise<RecoveryClient> =>
    assemble({ ...options, store: new MemoryStore() }, keyLimits)
  const backup = new Backup(api, store, users, own, pending, forwarding, devices, sharing, rsaKeyBits)
  const restore = new Restore(store, trust, heads, me, auth, linking, backup, renewals, openRecovery)

  await me.load()
  await api.load()
  await users.guardStored()
  return {
    http,
    api,
    store,
    me,
    users,
    chains,
    pending,
    keys,
    decryptor,
    history,
    queue,
    outbox,
    resume,
    events,
    auth,
    alarms,
    devices,
    sessions: new Sessions(api),
    ownAccount: new OwnAccount(http, api, store, users, own, chains, erased, membership, devices, auth),
    directory: new Users(api, users, me, () => sharing.flush()),
    contacts: new Contacts(store, users, trust, me, own, alarms, http.origin, rules, () => sharing.flush()),
    contactRequests: new Requests(api, chains, contact, conversations),
    shownHistory: new ShownHistory(history, contact),
    conversations,
    registration: new Registration(http, api, me, users, trust, linking, auth),
    invitations: new Invitations(api, own, chains, open, now),
    newcomers,
    backup,
    reports: new Reports(http, api, me, users, chains, keys, creation, outbox),
    restore
  }
}
