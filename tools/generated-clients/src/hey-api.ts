import { createClient, createConfig } from '../generated/hey-api/client/index.js'
import { getEventPage, getMe, listConversations, logIn, register } from '../generated/hey-api/sdk.gen.js'
import { zConversationPage, zEventPage, zRegistration } from '../generated/hey-api/zod.gen.js'
import type { Client } from './use.js'

/** The client, and the generator's zod schemas of what it sends and gets. */
export function heyApi(baseUrl: string): Client {
  const client = createClient(createConfig({ baseUrl }))
  const as = (token: string) => ({ client, auth: token, throwOnError: true }) as const
  return {
    async register(body) {
      const { data } = await register({ client, body: zRegistration.parse(body), throwOnError: true })
      return data.device?.status
    },
    async logIn(body) {
      const { data, error } = await logIn({ client, body })
      return data === undefined ? { problem: error.type } : { token: data.accessToken }
    },
    async getMe(token) {
      return (await getMe(as(token))).data.user.username
    },
    async listConversations(token) {
      const { data } = await listConversations(as(token))
      return zConversationPage.parse(data).items.map(({ id }) => id)
    },
    async poll(token, query) {
      const { data } = await getEventPage({ ...as(token), query })
      const { items, cursor } = zEventPage.parse(data)
      const messages = items.flatMap((item) => (item.event === 'message' ? [item.data.id] : []))
      return { messages, cursor }
    }
  }
}
