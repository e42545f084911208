import type { ChatClientOptions } from './types/account.js'
import type { Identity } from './identity/own-device.js'
import type { Inbox } from './messages/decrypt.js'
import type { Http } from './transport/http.js'
import type { Ledger } from './messages/seen.js'
import type { Outbox } from './outbox/outbox.js'
import type { Pins } from './identity/trust.js'
import type { Rooms } from './conversations/chains.js'
import type { SessionKeys } from './session-keys/store.js'
import type { Sharing } from './session-keys/forward.js'
import type { Store } from './stores/store.js'
import type { Tokens } from './transport/api.js'
import type { UserChains } from './identity/user-chains.js'

/**
 * What the parts of one client share. Each part owns its area of the store: nobody else writes there.
 */
export interface Core {
  readonly options: Required<Pick<ChatClientOptions, 'url' | 'now' | 'random' | 'rsaKeyBits'>>
  readonly store: Store
  readonly http: Http
  readonly tokens: Tokens
  readonly identity: Identity
  readonly users: UserChains
  readonly pins: Pins
  readonly rooms: Rooms
  readonly keys: SessionKeys
  readonly ledger: Ledger
  readonly inbox: Inbox
  readonly outbox: Outbox
  readonly sharing: Sharing
}
