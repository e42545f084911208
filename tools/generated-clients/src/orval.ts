import { getEventPage, getMe, listConversations, logIn, register } from '../generated/orval/client.js'
import { listConversationsResponse, logInBody, registerBody } from '../generated/orval/zod.js'
import { setOrigin } from './orval-fetch.js'
import type { Client } from './use.js'

/** The client, and the generator's zod schemas of what it sends and gets. */
export function orval(url: string): Client {
  setOrigin(url)
  const as = (token: string) => ({ headers: { authorization: `Bearer ${token}` } })
  return {
    async register(body) {
      const { status, data } = await register(registerBody.parse(body))
      if (status !== 201) throw new Error(data.type)
      return data.device?.status
    },
    async logIn(body) {
      const { status, data } = await logIn(logInBody.parse(body))
      return status === 200 ? { token: data.accessToken } : { problem: data.type }
    },
    async getMe(token) {
      const { status, data } = await getMe(as(token))
      if (status !== 200) throw new Error(data.type)
      return data.user.username
    },
    async listConversations(token) {
      const { data } = await listConversations({}, as(token))
      return listConversationsResponse.parse(data).items.map(({ id }) => id)
    },
    async poll(token, query) {
      const { status, data } = await getEventPage(query, as(token))
      if (status !== 200) throw new Error(data.type)
      const messages = data.items.flatMap((item) => (item.event === 'message' ? [item.data.id] : []))
      return { messages, cursor: data.cursor }
    }
  }
}
