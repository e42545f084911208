import { randomUUID } from 'node:crypto'
import { messageDigest } from '../../src/crypto/messages.js'
import type { Content } from '../../src/crypto/message-json.js'
import type { DeletedMessage, Message } from '../../src/protocol/messages.js'
import type { ConversationKind, Role } from '../../src/protocol/statements.js'
import type { MessageRef } from '../../src/client/types/content.js'
import type { FakeConversation } from './fake-conversation.js'
import { TIME, type FakeUser } from './fake-user.js'
import type { FakeWorld } from './fake-world.js'
import type { Puppet, PuppetDevice } from './puppet.js'
import {
  puppetConversation,
  puppetMessage,
  puppetRequest,
  type Change,
  type KeyOptions,
  type PuppetKey
} from './puppet-conversation.js'
import { openKey } from './puppet-keys.js'

/** Whose message it is: the user, and the device that signs. */
export type Speaker = Pick<Puppet, 'user' | 'device'>

interface SayOptions {
  /** By default the newest one. */
  key?: PuppetKey
  id?: string
  position?: number
  /** Whether the stream brings it. */
  isStreamed?: boolean
}

/** A conversation with puppets in it. Whatever they sign, the server takes it or shows it when a test says so. */
export class PuppetTalk {
  readonly world: FakeWorld
  conversation: FakeConversation
  /** The newest key that a puppet has made. */
  key: PuppetKey

  constructor(world: FakeWorld, conversation: FakeConversation, key: PuppetKey) {
    this.world = world
    this.conversation = conversation
    this.key = key
  }

  get id(): string {
    return this.conversation.id
  }

  /** A message, served and streamed. @param content a string stands for a text */
  async say(
    by: Speaker,
    content: string | Content,
    n: number,
    { key = this.key, id = randomUUID(), position, isStreamed = true }: SayOptions = {}
  ): Promise<Message & { ref: MessageRef }> {
    const given = typeof content === 'string' ? { type: 'text', text: content } : content
    const sealed = await puppetMessage(this.conversation, key, by.device, { ...given, n, sentAt: TIME }, id)
    const message = this.serve(by, sealed, position)
    if (isStreamed) this.stream(message)
    return { ...message, ref: { id, digest: await messageDigest(sealed) } }
  }

  /** Serve a sealed message in the history. */
  serve(
    { user, device }: { user: FakeUser; device: Pick<PuppetDevice, 'id'> },
    sealed: Awaited<ReturnType<typeof puppetMessage>>,
    position = ++this.world.log.position
  ): Message {
    const sender = { userId: user.id, username: user.username, deviceId: device.id }
    const message = { ...sealed, conversationId: this.id, position, sender, createdAt: TIME }
    this.conversation.messages.push(message)
    this.conversation.lastPosition = Math.max(this.conversation.lastPosition, position)
    this.conversation.messages.sort((one, other) => one.position - other.position)
    return message
  }

  stream(message: Message): void {
    this.world.log.append(this.conversation.members.keys(), 'message', message, message.position)
  }

  /** Leave a tombstone in the place of a message, and stream that it was deleted. */
  purge({ id, position, sender, key }: Message): void {
    const tombstone: DeletedMessage = { id, position, sender, key, deletedAt: TIME }
    this.conversation.messages = this.conversation.messages.filter((message) => message.id !== id)
    this.conversation.deleted = [...this.conversation.deleted, tombstone].sort(
      (one, other) => one.position - other.position
    )
    const data = { conversationId: this.id, message: tombstone }
    const logged = this.world.log.events.find((event) => event.position === position)
    if (logged !== undefined) Object.assign(logged, { event: 'message.deleted', data: { ...data, position } })
    this.world.log.append(this.conversation.members.keys(), 'message.deleted', data)
  }

  /** Changes that the honest server takes, with the key that follows them; with none only a key. */
  async change(changes: readonly Change[], by: Pick<PuppetDevice, 'signing'>, options: KeyOptions = {}) {
    const before = [...this.conversation.members.keys()]
    const made = await this.sign(changes, by, options)
    const { statements, key } = made.request
    await this.conversation.append(statements, key, this.world.users, { isDue: false })
    const readers = new Set([...before, ...this.conversation.members.keys()])
    this.conversation.lastPosition = this.announce(made, readers)
    this.key = made
    return made
  }

  /** Signed changes with their key. Nobody has them yet. */
  sign(changes: readonly Change[], by: Pick<PuppetDevice, 'signing'>, options: KeyOptions = {}) {
    return puppetRequest(this.world, this.conversation, changes, by, options)
  }

  /** Show a request in the chain, whatever it says. */
  async show({ request }: PuppetKey): Promise<void> {
    await this.conversation.show(request.statements, request.key)
  }

  /** Stream a request. @returns the position of its event */
  announce({ request }: PuppetKey, readers: Iterable<string> = this.conversation.members.keys()): number {
    const items = [...request.statements, request.key.statement]
    const sequence = Number(/^sequence (.*)$/m.exec(request.key.statement.text)![1])
    return this.world.log.append(readers, 'conversation.chain', { conversationId: this.id, sequence, items })
  }

  /** The newest key of the chain, as a puppet's device opens it. */
  async newestKey(device: PuppetDevice): Promise<PuppetKey> {
    const key = this.conversation.key
    const secret = (await openKey(key, device))!
    const wraps = [...key.wraps].map(([deviceId, wrappedKey]) => ({ deviceId, wrappedKey }))
    return { hash: key.hash, secret, request: { statements: [], key: { ...key, wraps } } }
  }
}

/** A conversation that a puppet creates on the honest server. */
export async function puppetTalk(
  world: FakeWorld,
  kind: ConversationKind,
  members: readonly (readonly [FakeUser, Role?])[],
  by: Puppet
): Promise<PuppetTalk> {
  const { conversation, key } = await puppetConversation(world, kind, members, by)
  return new PuppetTalk(world, conversation, key)
}
