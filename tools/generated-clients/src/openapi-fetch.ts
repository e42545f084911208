import createClient from 'openapi-fetch'
import type { paths } from '../generated/openapi-typescript/schema.js'
import type { Client } from './use.js'

export function openapiFetch(baseUrl: string): Client {
  const api = createClient<paths>({ baseUrl })
  const as = (token: string) => ({ headers: { authorization: `Bearer ${token}` } })
  return {
    async register(body) {
      return given(await api.POST('/v1/auth/register', { body })).device?.status
    },
    async logIn(body) {
      const { data, error } = await api.POST('/v1/auth/login', { body })
      return data === undefined ? { problem: error.type } : { token: data.accessToken }
    },
    async getMe(token) {
      return given(await api.GET('/v1/users/me', as(token))).user.username
    },
    async listConversations(token) {
      return given(await api.GET('/v1/conversations', as(token))).items.map(({ id }) => id)
    },
    async poll(token, query) {
      const page = given(await api.GET('/v1/events/page', { ...as(token), params: { query } }))
      const messages = page.items.flatMap((item) => (item.event === 'message' ? [item.data.id] : []))
      return { messages, cursor: page.cursor }
    }
  }
}

function given<T>({ data, error }: { data?: T; error?: unknown }): T {
  if (data === undefined) throw new Error(JSON.stringify(error))
  return data
}
