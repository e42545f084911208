import { ChatError, forkedChain, isLeft, isRefusal } from '../errors.js'
import type { ConversationChains } from '../conversations/chains.js'
import type { OwnDevice } from '../identity/own-device.js'
import type { PendingStatements } from '../identity/pending.js'
import type { UserChains } from '../identity/user-chains.js'
import type { SessionKeys } from '../session-keys/store.js'
import type { Store } from '../stores/store.js'
import type { Api } from '../transport/api.js'
import type { Http } from '../transport/http.js'
import { conversationIds } from '../transport/pages.js'
import type { Credentials } from '../types/account.js'
import type { Auth } from './auth.js'
import type { Backup } from './backup.js'
import type { BackupContent } from './backup-content.js'
import type { Devices } from './devices.js'

/** The parts of a second client, which acts as the recovery device over a store of its own. */
export interface RecoveryClient {
  http: Http
  api: Api
  store: Store
  me: OwnDevice
  users: UserChains
  chains: ConversationChains
  pending: PendingStatements
  keys: SessionKeys
  devices: Devices
  backup: Backup
  auth: Auth
}

/**
 * Log in as the recovery device, whose chain has to be the one that the backup knows, and fetch everything
 * that it can read, verified as on any device.
 *
 * @returns the number of session keys that were made for it, and that it can't open
 */
export async function act(
  client: RecoveryClient,
  { device, own }: BackupContent,
  credentials: Credentials
): Promise<number> {
  const { api, me, users, auth } = client
  const { username, id: deviceId, signing } = device
  await me.saveDevice(device)
  await me.saveAccount({ username, userId: '', deviceId, status: 'active' })
  await auth.enter({ ...credentials }, deviceId).catch((error: unknown) => {
    throw isRefusal(error, 'device-not-found') ? oldBackup(error) : error
  })
  const { chain, hashes, devices } = await users.get(username)
  const known = hashes[own.sequence - 1]
  if (known !== own.head) throw forkedChain(username, { known: own.head, served: chain.head })
  const bound = devices.get(signing.fingerprint)
  if (bound === undefined || bound.retired !== null) throw oldBackup()
  let unopened = 0
  for (const id of await conversationIds(api))
    unopened += await openIn(client, id).catch((error: unknown) => {
      // A conversation that can't be trusted does not keep back the others. Reading it shows the error.
      if (!isLeft(error) && !(error instanceof ChatError && error.kind === 'untrusted')) throw error
      return 0
    })
  return unopened
}

function oldBackup(cause?: unknown): ChatError {
  const message = 'The backup is of a recovery device that is not the user’s any more.'
  const hint = 'It was revoked, or the user has begun again. Any device of the user can make another backup.'
  return new ChatError('untrusted', 'old-backup', message, { hint, cause })
}

/** Open the keys of a conversation. @returns how many did not open that name this device in their roster */
async function openIn({ keys, chains, me }: RecoveryClient, id: string): Promise<number> {
  await keys.openAll(id)
  const { history } = await chains.get(id)
  const users = await chains.users(id)
  const opened = new Set(await keys.list(id))
  const missing = history.keys.filter(({ hash }) => !opened.has(hash))
  return missing.filter((key) => history.rosterDevices(key, me.signingKey, users).length > 0).length
}
