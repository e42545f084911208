import { signed, statementHash, statementText, type Statement } from './chains.js'
import { newestKey, type ChainKey } from './conversation-chain.js'
import { Conversations, type HeldKey } from './conversations.js'
import { sha256Hex, unbase64 } from './crypto.js'
import { expect, type Answer, type ChainReceipt, type Page, type SessionKeyItem } from './http.js'
import { laterWraps, openWrap } from './later-wraps.js'
import { check, given } from './refused.js'
import type { Covered, Told } from './roster.js'
import { wrap } from './wraps.js'

/** A device of the own user. */
type OwnDevice = Omit<Covered, 'username'>

/** Session keys as they come and go. */
export class KeyHolder extends Conversations {
  /** Makes and uploads a session key, for the present roster unless another is given. */
  async newKey(id: string, told?: Told): Promise<Answer<ChainReceipt>> {
    const { body, held } = this.makeKey(id, told ?? (await this.roster(id)))
    const answer = await this.raw<ChainReceipt>('POST', `/v1/conversations/${id}/session-keys`, { body })
    if (answer.status === 201) this.hold(held)
    return answer
  }

  /** Fetches, checks and unwraps all session keys for this device. The newest of the chain is for sending. */
  async fetchKeys(id: string): Promise<SessionKeyItem[]> {
    const items: SessionKeyItem[] = []
    for (let query = ''; ;) {
      const path = `/v1/conversations/${id}/session-keys?limit=200${query}`
      const page: Page<SessionKeyItem> = expect(await this.raw<Page<SessionKeyItem>>('GET', path), 200).body
      items.push(...page.items)
      if (page.next === null) break
      query = `&cursor=${encodeURIComponent(page.next)}`
    }
    const chain = await this.chain(id)
    for (const item of items) {
      const key = given(chain.keys.get(statementHash(item.statement)), `${item.id} is no key of the chain`)
      check(key.id === item.id, 'a session key under another id')
      if (this.heldBy(key.hash) === undefined) await this.#takeKey(id, key, item)
    }
    const newest = newestKey(chain)
    const isIn = newest.roster.some((line) => line.signingFp === this.keys.signingFp)
    if (isIn && this.heldBy(newest.hash)) this.currentKey.set(id, newest.id)
    else this.currentKey.delete(id)
    return items
  }

  protected heldBy(hash: string): HeldKey | undefined {
    return [...this.sessionKeys.values()].find((held) => held.hash === hash)
  }

  async #takeKey(conversationId: string, key: ChainKey, item: SessionKeyItem): Promise<void> {
    const ownKeys = [this.keys, ...this.oldKeys]
    const own = await this.user(this.username)
    const later = laterWraps(conversationId, key, item.added, this.keys.signingFp, own, this.knownKeys)
    const line = key.roster.find(({ signingFp }) => signingFp === this.keys.signingFp)
    const opened = openWrap(key, ownKeys, line, line && item.wrappedKey, later)
    const { id, hash } = key
    this.sessionKeys.set(id, { id, conversationId, hash, key: opened, statement: item.statement })
  }

  /** Gives a session key to other devices of the own user, which joined since. */
  shareKey(held: HeldKey, covered: readonly OwnDevice[]): Promise<Answer<unknown>> {
    return this.raw('POST', `/v1/conversations/${held.conversationId}/session-keys/${held.id}/wraps`, {
      body: { wraps: covered.map((device) => this.#laterWrap(held, device)) }
    })
  }

  #laterWrap(
    held: HeldKey,
    device: OwnDevice
  ): { deviceId: string; wrappedKey: string; statement: Statement } {
    const wrappedKey = wrap(device, held.hash, held.key)
    const text = statementText('wrap-added', [
      ['conversation', held.conversationId],
      ['key', held.hash],
      ['reader', device.signingKey],
      ['wrap', sha256Hex(unbase64(wrappedKey))],
      ['by', this.keys.signingFp]
    ])
    return { deviceId: device.deviceId, wrappedKey, statement: signed(text, this.keys) }
  }
}
