import { randomUUID } from 'node:crypto'
import type { Caller, World } from '../callers.js'
import type { InteropClient } from '../interop/client.js'
import { seal } from '../interop/messages.js'
import { drafted, otherThan, own, type Requests } from './request.js'

export function conversationRequests(world: World): Requests {
  const { admin, group, firstKey, newestKey, tablet } = world
  const inGroup = { params: { id: group } }
  const message = ({ client: { keys } }: Caller, id = randomUUID()) =>
    seal(keys, newestKey, { conversationId: group, id }, { type: 'text', n: 1, text: 'Hi' })
  const { signingFp: signingKey, encryptionKey } = tablet.keys
  const reader = { deviceId: tablet.deviceId, signingKey, encryptionKey }
  const wraps = ({ client }: Caller, key = firstKey) =>
    drafted(world, client, (by) => by.shareKey(key, [reader]))

  return {
    async createConversation(caller) {
      const create = (by: InteropClient) =>
        by.createConversation('group', [otherThan(world, caller).username])
      return { body: await own(caller, (of) => drafted(world, of, create), {}) }
    },
    listConversations: () => ({}),
    getConversation: () => inGroup,
    getConversationChain: () => inGroup,
    listMembers: () => inGroup,
    getRoster: () => inGroup,
    acceptRequest: () => inGroup,
    declineRequest: () => inGroup,
    listSessionKeys: () => inGroup,
    getSessionKey: () => ({ params: { id: group, keyId: firstKey.id } }),
    'getSessionKey newest': () => ({ params: { id: group, keyId: newestKey.id } }),
    addWraps: async (caller) => ({ params: { id: group, keyId: firstKey.id }, body: await wraps(caller) }),
    'addWraps newest': async (caller) => ({
      params: { id: group, keyId: newestKey.id },
      body: await wraps(caller, newestKey)
    }),
    sendMessage: (caller) => ({ ...inGroup, body: message(caller) }),
    sendMessages: (caller) => ({ ...inGroup, body: { messages: [message(caller)] } }),
    listMessages: () => inGroup,
    createSessionKey: async (caller) => ({
      ...inGroup,
      body: await own(caller, (of) => drafted(world, of, (by) => by.newKey(group)), {})
    }),
    changeConversation: async (caller) => ({
      ...inGroup,
      body: await own(caller, (of) => drafted(world, of, (by) => by.setTimer(group, 3600)), {})
    }),
    getEventPage: () => ({ query: 'after=0' }),
    getEvents: () => ({}),
    getPresence: () => ({ query: `user=${admin.username}` })
  }
}
