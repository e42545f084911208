import {
  Api,
  type EventPage,
  type HttpResponse,
  type Problem
} from '../generated/swagger-typescript-api/api.js'
import { EVENTS, PAGE, type Client } from './use.js'

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
      const headers = { ...as(token).headers, ...PAGE }
      const { data } = await api.request<EventPage, Problem>({ path: EVENTS, query, headers, format: 'json' })
      const messages = data.items.flatMap((item) => (item.event === 'message' ? [item.data.id] : []))
      return { messages, cursor: data.cursor }
    }
  }
}
