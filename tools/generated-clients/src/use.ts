export interface Registration {
  username: string
  password: string
  device: {
    id: string
    name: string
    signingKey: string
    encryptionKey: string
    statement: { text: string; signatures: Record<string, string> }
  }
}

export interface Credentials {
  username: string
  password: string
  deviceId: string
}

/** What a generated client is used for. Its own types must allow all of it. */
export interface Client {
  register: (body: Registration) => Promise<unknown>
  /** @returns the access token, or the type of the problem */
  logIn: (body: Credentials) => Promise<{ token: string } | { problem: string }>
  /** @returns the username */
  getMe: (token: string) => Promise<string>
  /** @returns the ids of the conversations */
  listConversations: (token: string) => Promise<string[]>
  /** @returns the ids of the messages among the events after the cursor, and the next cursor */
  poll: (
    token: string,
    query: { after: string; wait: number }
  ) => Promise<{ messages: string[]; cursor: string }>
}

export interface Greeting {
  conversationId: string
  messageId: string
}

/** Registers, logs in, reads, and follows events until the greeting of another user is there. */
export async function use(
  client: Client,
  registration: Registration,
  greet: (username: string) => Promise<Greeting>
): Promise<void> {
  const { username, password, device } = registration
  await client.register(registration)
  const credentials = { username, password, deviceId: device.id }
  const refused = await client.logIn({ ...credentials, password: `${password}!` })
  equal('problem' in refused && refused.problem, '/problems/invalid-credentials')
  const accepted = await client.logIn(credentials)
  if (!('token' in accepted)) throw new Error(accepted.problem)
  const { token } = accepted
  equal(await client.getMe(token), username)
  equal((await client.listConversations(token)).length, 0)

  const waiting = client.poll(token, { after: '0', wait: 30 })
  const { conversationId, messageId } = await greet(username)
  let page = await waiting
  while (!page.messages.includes(messageId)) page = await client.poll(token, { after: page.cursor, wait: 30 })
  equal((await client.listConversations(token)).join(), conversationId)
}

function equal(found: unknown, expected: unknown): void {
  if (found !== expected) throw new Error(`expected ${String(expected)}, found ${String(found)}`)
}
