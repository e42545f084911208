import * as Type from 'typebox'
import { MAX_LINKS } from '../../protocol/conversation-chain.js'
import type { ConversationHistory } from '../../protocol/conversation-history.js'
import { NextCursor, Position, Sha256, SignedStatement } from '../../protocol/schema.js'
import { Turns } from '../../crypto/turns.js'
import { ChatError, untrusted, type Heads } from '../errors.js'
import { alarmOf, type Alarms } from '../identity/alarms.js'
import type { ChainDoubts } from '../identity/chain-doubts.js'
import type { Api } from '../transport/api.js'
import { pagesOf } from '../transport/pages.js'
import { checked } from '../transport/response-schema.js'
import { forkedChain } from './chain-store.js'

export interface FetchedChain {
  /** The statements after those that are known. */
  items: SignedStatement[]
  /** Where the server's chain ends. */
  head: string
  /** Position of the newest event in the conversation, by the server's word. */
  lastPosition: number
}

/** A page of a chain whose statements are not checked yet: that takes long, and has to be done in turns. */
const ChainPage = Type.Object({
  head: Sha256(''),
  lastPosition: Position(''),
  items: Type.Array(Type.Unknown()),
  next: NextCursor
})

/** Fetches the statements of conversations' chains, and tells a server that is behind from one that forks. */
export class ChainFetcher {
  readonly #api: Api
  readonly #alarms: Alarms
  readonly #doubts: ChainDoubts

  constructor(api: Api, alarms: Alarms, doubts: ChainDoubts) {
    this.#api = api
    this.#alarms = alarms
    this.#doubts = doubts
  }

  /**
   * The chain to its end. No statements if the server shows only a beginning of the known chain, also at a second
   * look: the first answer may be older than the newest thing that this client has seen.
   *
   * @throws {ChatError} `forked-chain`, `endless-list` (`untrusted`), or as `Api.call` does
   */
  async fetch(id: string, history: ConversationHistory): Promise<FetchedChain> {
    let found = await this.#fetchOnce(id, history)
    if ('served' in found) found = await this.#fetchOnce(id, history)
    if (!('served' in found)) return found
    const { known, served, lastPosition } = found
    const about = { conversationId: id }
    const error = new ChatError(
      'untrusted',
      'server-behind',
      'The server shows less of a conversation’s chain than this client has seen.',
      { heads: { known, served }, about }
    )
    await this.#doubts.note(id, error)
    await this.#alarms.raiseOnce({ ...alarmOf(error), about })
    return { items: [], head: served, lastPosition }
  }

  /** @returns the heads if the server shows a proper beginning of the known chain */
  async #fetchOnce(
    id: string,
    history: ConversationHistory
  ): Promise<FetchedChain | (Heads & { lastPosition: number })> {
    const known = history.chain
    const items: SignedStatement[] = []
    let head = ''
    const turns = new Turns()
    let lastPosition = 0
    const path = `/v1/conversations/${id}/chain?after=${known?.sequence ?? 0}`
    for await (const page of pagesOf(this.#api, path, ChainPage)) {
      head = page.head
      if (items.length + page.items.length > MAX_LINKS)
        throw untrusted('endless-list', 'The chain has too many statements.')
      for (const item of page.items) {
        items.push(checked(SignedStatement, item, 'a statement of a conversation’s chain'))
        await turns.next()
      }
      lastPosition = page.lastPosition
      if (items.length > 0 || known === null || page.head === known.head) continue
      const heads = { known: known.head, served: page.head }
      if (history.has(page.head)) return { ...heads, lastPosition }
      throw forkedChain(known.head, page.head, heads)
    }
    return { items, head, lastPosition }
  }
}
