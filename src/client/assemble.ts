import type { ChatClientOptions } from './options.js'
import type { Core } from './core.js'
import { Http } from './transport/http.js'
import { OwnDevice } from './identity/own-device.js'
import { MessageDecryptor } from './messages/decrypt.js'
import { SeenMessages } from './messages/seen.js'
import { Outbox } from './outbox/outbox.js'
import { TrustStore } from './identity/trust.js'
import { ConversationChains } from './conversations/chains.js'
import { SessionKeys } from './session-keys/store.js'
import { KeyForwarding } from './session-keys/forward.js'
import { Api } from './transport/api.js'
import { UserChains } from './identity/user-chains.js'

const TIMEOUT_MS = 30_000

/** The parts of a client, put together over a store. */
export async function openCore(options: ChatClientOptions): Promise<Core> {
  const { url, store, now = Date.now, random = Math.random, rsaKeyBits = 3072 } = options
  const { fetch = globalThis.fetch, timeout = TIMEOUT_MS, userAgent } = options
  const core = { options: { url, now, random, rsaKeyBits }, store } as {
    -readonly [Part in keyof Core]: Core[Part]
  }
  core.http = new Http({ url, fetch, random, timeout, userAgent })
  core.tokens = new Api(core)
  core.identity = new OwnDevice(core)
  core.users = new UserChains(core)
  core.pins = new TrustStore(core)
  core.rooms = new ConversationChains(core)
  core.keys = new SessionKeys(core)
  core.ledger = new SeenMessages(core)
  core.inbox = new MessageDecryptor(core)
  core.outbox = new Outbox(core)
  core.sharing = new KeyForwarding(core)
  await core.identity.load()
  await core.tokens.load()
  return core
}
