import { Api, type HttpResponse, type Problem } from '../generated/swagger-typescript-api/api.js'
import type { Client } from './use.js'

/** Made from the document in OpenAPI 3.0. */
export function swaggerTypescriptApi(baseUrl: string): Client {
  const api = new Api({ baseUrl })
  const as = (token: string) => ({ headers: { authorization: `Bearer ${token}` } })
  return {
    async register(body) {
      return (await api.v1.register(body)).data.device?.status
    },
    async logIn(body) {
      try {
        return { token: (await api.v1.logIn(body)).data.accessToken }
      } catch (error) {
        return { problem: (error as HttpResponse<never, Problem>).error.type }
      }
    },
    async getMe(token) {
      return (await api.v1.getMe(as(token))).data.user.username
    },
    async listConversations(token) {
      return (await api.v1.listConversations({}, as(token))).data.items.map(({ id }) => id)
    },
    async poll(token, query) {
      const { data } = await api.v1.getEventPage(query, as(token))
      const messages = data.items.flatMap((item) => (item.event === 'message' ? [item.data.id] : []))
      return { messages, cursor: data.cursor }
    }
  }
}
