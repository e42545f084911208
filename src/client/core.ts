import type { ChatClientOptions } from './api.js'
import type { Identity } from './identity.js'
import type { Inbox } from './inbox.js'
import type { Http } from './http.js'
import type { Ledger } from './ledger.js'
import type { Outbox } from './outbox.js'
import type { Pins } from './pins.js'
import type { Rooms } from './rooms.js'
import type { SessionKeys } from './session-keys.js'
import type { Sharing } from './sharing.js'
import type { Store } from './store.js'
import type { Tokens } from './tokens.js'
import type { UserChains } from './user-chains.js'

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
