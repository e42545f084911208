import type { ChatClientOptions } from './options.js'
import type { OwnDevice } from './identity/own-device.js'
import type { MessageDecryptor } from './messages/decrypt.js'
import type { Http } from './transport/http.js'
import type { SeenMessages } from './messages/seen.js'
import type { Outbox } from './outbox/outbox.js'
import type { TrustStore } from './identity/trust.js'
import type { ConversationChains } from './conversations/chains.js'
import type { SessionKeys } from './session-keys/store.js'
import type { KeyForwarding } from './session-keys/forward.js'
import type { Store } from './stores/store.js'
import type { Api } from './transport/api.js'
import type { UserChains } from './identity/user-chains.js'

/**
 * What the parts of one client share. Each part owns its area of the store: nobody else writes there.
 */
export interface Core {
  readonly options: Required<Pick<ChatClientOptions, 'url' | 'now' | 'random' | 'rsaKeyBits'>>
  readonly store: Store
  readonly http: Http
  readonly tokens: Api
  readonly identity: OwnDevice
  readonly users: UserChains
  readonly pins: TrustStore
  readonly rooms: ConversationChains
  readonly keys: SessionKeys
  readonly ledger: SeenMessages
  readonly inbox: MessageDecryptor
  readonly outbox: Outbox
  readonly sharing: KeyForwarding
}
