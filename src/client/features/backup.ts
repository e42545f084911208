import Type from 'typebox'
import { DeviceResponse } from '../../protocol/devices.js'
import { fromUtf8, utf8 } from '../../crypto/encoding.js'
import { backupKind, openBackup, sealBackup, type BackupSecret } from '../../crypto/backup.js'
import { CryptoError } from '../../crypto/errors.js'
import { exportPrivateKey, importPrivateEncryptionKey, importPrivateSigningKey } from '../../crypto/keys.js'
import { newRecoveryCode } from '../../crypto/recovery-code.js'
import type { ChatClientOptions } from '../options.js'
import type { Account, Credentials, BackupStatus } from '../types/account.js'
import type { Backup } from '../types/parts.js'
import type { Core } from '../core.js'
import type { DeviceCare } from './devices.js'
import { newDevice } from '../identity/device-statements.js'
import { Auth } from './auth.js'
import { ChatError, RefusedError, untrusted } from '../errors.js'
import { makeDevice, type DeviceKeys } from '../identity/own-device.js'
import { MemoryStore } from '../stores/memory.js'
import { openCore } from '../assemble.js'
import { conversationIds } from '../transport/pages.js'
import { isActive } from '../identity/user-record.js'
import { checked } from '../transport/response-schema.js'

const PATH = '/v1/users/me/key-backup'
const DEVICE_NAME = 'recovery key'
const NAME = 'backup'
/** What a restored device takes over from the recovery device. */
const AREAS = ['user/', 'pin/', 'room/', 'chain/', 'key/']

type Made = { deviceId: string }

const Text = Type.String({ maxLength: 16_384 })
const Content = Type.Object({
  version: Type.Literal(1),
  username: Text,
  device: Text,
  signingKey: Type.Object({ private: Text, public: Text, fingerprint: Text }),
  encryptionKey: Type.Object({ private: Text, public: Text, fingerprint: Text })
})

/**
 * A backup is a device of its own, whose keys lie on the server under a code: others wrap session keys for it as for
 * any device, so it never grows stale, and it approves the device that is restored, so that contacts see no new
 * identity.
 */
export class Recovery implements Backup {
  readonly #core: Core
  readonly #options: ChatClientOptions
  readonly #devices: DeviceCare
  readonly #account: () => Account

  constructor(core: Core, options: ChatClientOptions, devices: DeviceCare, account: () => Account) {
    this.#core = core
    this.#options = options
    this.#devices = devices
    this.#account = account
  }

  async create({ passphrase }: { passphrase?: string } = {}): Promise<{ recoveryCode: string | null }> {
    const { device } = this.#core.identity.active()
    const recoveryCode = passphrase === undefined ? await newRecoveryCode() : null
    const secret = recoveryCode === null ? { passphrase: passphrase! } : { recoveryCode }
    const recovery = await makeDevice(this.#core, device.username, DEVICE_NAME, true)
    const blob = await sealed(recovery, secret)
    const before = await this.#fetch()
    const old = await this.#core.store.get<Made>(NAME)
    await this.#add(recovery)
    await this.#core.store.update((tx) => tx.set(NAME, { deviceId: recovery.id }))
    await this.#core.sharing.begin(recovery.id)
    const headers: Record<string, string> =
      before === null ? { 'if-none-match': '*' } : { 'if-match': before.etag }
    await this.#core.tokens.call({ method: 'PUT', path: PATH, body: blob, headers })
    if (old !== undefined) await this.#devices.revoke(old.deviceId)
    return { recoveryCode }
  }

  async status(): Promise<BackupStatus> {
    return { exists: (await this.#fetch()) !== null }
  }

  async remove(): Promise<void> {
    const before = await this.#fetch()
    if (before !== null)
      await this.#core.tokens.call({ method: 'DELETE', path: PATH, headers: { 'if-match': before.etag } })
    const made = await this.#core.store.get<Made>(NAME)
    if (made === undefined) return
    await this.#devices.revoke(made.deviceId)
    await this.#core.store.update((tx) => tx.delete(NAME))
  }

  async restore(who: Credentials & ({ code: string } | { passphrase: string })): Promise<Account> {
    if (this.#core.identity.account?.status === 'active')
      throw new ChatError(
        'usage',
        'other-account',
        'This store holds a device already: restore into a new one.'
      )
    const secret = 'code' in who ? { recoveryCode: who.code } : { passphrase: who.passphrase }
    const entrance = new Auth(this.#core)
    await entrance.enter(who)
    const blob = await this.#fetch()
    if (blob === null) throw new ChatError('usage', 'no-backup', 'There is no backup of this account.')
    const recovery = await opened(
      blob.bytes,
      secret,
      who.username.toLowerCase(),
      this.#core.store.extractableKeys
    )
    await this.#requireActive(recovery)
    const past = await this.#past(who, recovery)
    try {
      const device = await this.#core.identity.prepare(recovery.username, who.deviceName ?? 'device')
      const { user } = await past.users.sync(recovery.username)
      const body = await newDevice('device-add', device, user, recovery.signing)
      await past.tokens.call({ method: 'POST', path: '/v1/devices', body, response: DeviceResponse })
      await this.#takeOver(past, recovery.id)
      await entrance.login(who)
      return this.#account()
    } finally {
      const logout = { method: 'POST', path: '/v1/auth/logout' } as const
      await past.tokens.call(logout).catch(() => undefined)
      past.http.close()
    }
  }

  /** A backup that was replaced by a newer one is of a device that was revoked then. */
  async #requireActive({ username, signing }: DeviceKeys): Promise<void> {
    const { user } = await this.#core.users.sync(username)
    if (!isActive(user, signing.fingerprint))
      throw untrusted('old-backup', 'The backup is of a recovery device that is not the user’s any more.')
  }

  /** The recovery device at work: everything that it can read, verified as any device does. */
  async #past(who: Credentials, recovery: DeviceKeys): Promise<Core> {
    const past = await openCore({ ...this.#options, store: new MemoryStore() })
    await past.identity.keep(recovery)
    const { username, id: deviceId } = recovery
    await past.identity.become({ username, userId: '', deviceId, status: 'active' })
    await new Auth(past).login(who)
    for (const id of await conversationIds(past.tokens))
      await past.keys.fetchAll(id).catch((error: unknown) => {
        // One that can't be trusted is no reason to lose the others; whoever reads it is told.
        if (!(error instanceof ChatError) || error.kind !== 'untrusted') throw error
      })
    return past
  }

  async #takeOver(past: Core, recoveryId: string): Promise<void> {
    const entries = await Promise.all(AREAS.map((area) => past.store.list(area)))
    await this.#core.store.update((tx) => {
      for (const [name, value] of entries.flat()) tx.set(name, value)
      tx.set(NAME, { deviceId: recoveryId })
    })
  }

  async #add(recovery: DeviceKeys): Promise<void> {
    const { device } = this.#core.identity.active()
    const { user } = await this.#core.users.sync(device.username)
    const body = await newDevice('device-add', recovery, user, device.signing)
    await this.#core.tokens.call({ method: 'POST', path: '/v1/devices', body, response: DeviceResponse })
  }

  async #fetch(): Promise<{ bytes: Uint8Array; etag: string } | null> {
    try {
      const { body, headers } = await this.#core.tokens.bytes({ method: 'GET', path: PATH })
      return { bytes: body, etag: headers.get('etag') ?? '' }
    } catch (error) {
      if (error instanceof RefusedError && error.status === 404) return null
      throw error
    }
  }
}

async function sealed(
  { username, id, signing, encryption }: DeviceKeys,
  secret: BackupSecret
): Promise<Uint8Array> {
  const pair = async ({ privateKey, publicKey, fingerprint }: DeviceKeys['signing']) => ({
    private: await exportPrivateKey(privateKey),
    public: publicKey,
    fingerprint
  })
  const [signingKey, encryptionKey] = await Promise.all([pair(signing), pair(encryption)])
  const content = { version: 1, username, device: id, signingKey, encryptionKey }
  try {
    return await sealBackup(utf8(JSON.stringify(content)), secret)
  } catch (error) {
    throw asChatError(error)
  }
}

async function opened(
  blob: Uint8Array,
  secret: BackupSecret,
  owner: string,
  extractable: boolean
): Promise<DeviceKeys> {
  try {
    const kind = backupKind(blob)
    if ((kind === 'passphrase') !== 'passphrase' in secret)
      throw new ChatError(
        'usage',
        'other-backup-kind',
        `The backup was sealed with a ${kind === 'passphrase' ? 'passphrase' : 'recovery code'}.`
      )
    const content: unknown = JSON.parse(fromUtf8(await openBackup(blob, secret)))
    const { username, device: id, signingKey, encryptionKey } = checked(Content, content, 'backup')
    if (username !== owner) throw untrusted('tampered-backup', 'The backup is of another user.')
    const pair = async (key: typeof signingKey, load: typeof importPrivateSigningKey) => ({
      privateKey: await load(key.private, { extractable }),
      publicKey: key.public,
      fingerprint: key.fingerprint
    })
    return {
      ...{ username, id, name: DEVICE_NAME, encryptionVersion: 1, next: null },
      signing: await pair(signingKey, importPrivateSigningKey),
      encryption: await pair(encryptionKey, importPrivateEncryptionKey)
    }
  } catch (error) {
    throw asChatError(error)
  }
}

function asChatError(error: unknown): unknown {
  if (!(error instanceof CryptoError)) return error
  if (error.code === 'bad-backup') return untrusted('tampered-backup', error.message, error)
  return new ChatError('usage', error.code, error.message, { cause: error })
}
