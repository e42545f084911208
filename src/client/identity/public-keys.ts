import { MAX_CONVERSATION_DEVICES } from '../../protocol/conversations.js'
import type { PublicDevice } from '../../protocol/devices.js'
import type { UserHistory } from '../../protocol/user-history.js'
import { decodeKemKey, kemFingerprint } from '../../crypto/kem.js'
import { fingerprint, importEncryptionKey, importSigningKey } from '../../crypto/keys.js'
import { toUntrusted, untrusted } from '../errors.js'
import { LruMap } from '../stores/lru-map.js'
import type { CryptoKey, Store, StoreTransaction } from '../stores/store.js'

type Offered = Pick<PublicDevice, 'signingKey' | 'encryptionKey' | 'kemKey'>

/**
 * Public keys by fingerprint, in memory as many as the largest conversation has. Anybody may offer one: it is
 * used only where a verified chain names its fingerprint. Signing keys of all devices are stored, other keys of
 * the own user's devices only.
 */
export class PublicKeys {
  readonly #store: Store
  /** As on the wire: PEM, or base64 of a KEM key. */
  readonly #texts = new LruMap<string, string>(3 * MAX_CONVERSATION_DEVICES)
  readonly #signing = new LruMap<string, Promise<CryptoKey>>(MAX_CONVERSATION_DEVICES)
  readonly #encryption = new LruMap<string, Promise<CryptoKey>>(MAX_CONVERSATION_DEVICES)

  /** The end of the own user's chain for which all keys are stored. */
  #kept: string | null = null

  constructor(store: Store) {
    this.#store = store
  }

  /** @throws {CryptoError} if a text is not a key */
  async offer(devices: readonly Offered[]): Promise<void> {
    for (const { signingKey, encryptionKey, kemKey } of devices) {
      this.#texts.set(await fingerprint(signingKey), signingKey)
      this.#texts.set(await fingerprint(encryptionKey), encryptionKey)
      if (kemKey !== undefined) this.#texts.set(await kemFingerprint(decodeKemKey(kemKey)), kemKey)
    }
  }

  /** @param pem public signing key */
  async offerSigningKey(pem: string): Promise<string> {
    const print = await fingerprint(pem)
    this.#texts.set(print, pem)
    return print
  }

  /** A public key as on the wire; undefined if it is not known. */
  async text(print: string): Promise<string | undefined> {
    const offered = this.#texts.get(print)
    if (offered !== undefined) return offered
    const stored = await this.#store.get<string>(recordName(print))
    if (stored !== undefined) this.#texts.set(print, stored)
    return stored
  }

  /** Store a key that was offered. */
  save(tx: StoreTransaction, print: string): void {
    const text = this.#texts.get(print)
    if (text !== undefined) tx.set(recordName(print), text)
  }

  /** Store the keys of a user's active devices, as far as they are known. */
  async keep({ chain: { head, devices } }: UserHistory): Promise<void> {
    const bound = [...devices.values()].flatMap(({ encryptionKey, kemKey }) => [encryptionKey, kemKey])
    const lacking: string[] = []
    for (const print of bound)
      if (print !== '-' && (await this.#store.get(recordName(print))) === undefined) lacking.push(print)
    const offered = lacking.filter((print) => this.#texts.get(print) !== undefined)
    if (offered.length > 0) await this.#store.update((tx) => offered.forEach((print) => this.save(tx, print)))
    if (offered.length === lacking.length) this.#kept = head
  }

  /** Whether `keep` has stored the keys of all devices that are active at the end of this chain. */
  hasKept({ chain: { head } }: UserHistory): boolean {
    return this.#kept === head
  }

  /** @throws {ChatError} `missing-key` or `bad-key` (`untrusted`) */
  signing(print: string): Promise<CryptoKey> {
    return this.#imported(this.#signing, print, importSigningKey)
  }

  /** @throws {ChatError} `missing-key` or `bad-key` (`untrusted`) */
  encryption(print: string): Promise<CryptoKey> {
    return this.#imported(this.#encryption, print, importEncryptionKey)
  }

  /** The raw ML-KEM key. @throws {ChatError} `missing-key` (`untrusted`) */
  async kem(print: string): Promise<Uint8Array> {
    return decodeKemKey(await this.#require(print))
  }

  /** Forget everything that is held in memory. */
  clear(): void {
    this.#texts.clear()
    this.#signing.clear()
    this.#encryption.clear()
    this.#kept = null
  }

  #imported(
    known: LruMap<string, Promise<CryptoKey>>,
    print: string,
    load: (pem: string) => Promise<CryptoKey>
  ): Promise<CryptoKey> {
    let key = known.get(print)
    if (key === undefined) {
      key = this.#require(print)
        .then(load)
        .catch((error: unknown) => {
          throw toUntrusted(error, `The key ${print}`)
        })
      key.catch(() => known.delete(print))
      known.set(print, key)
    }
    return key
  }

  async #require(print: string): Promise<string> {
    const text = await this.text(print)
    if (text === undefined) throw untrusted('missing-key', `The server does not serve the key ${print}.`)
    return text
  }
}

function recordName(print: string): string {
  return `public-key/${print}`
}
