// A bot that answers "ping" with "pong". The first start registers it; later ones go on where the last one
// stopped. Settings: SECURE_CHAT_URL, BOT_USERNAME, BOT_PASSWORD, and BOT_FOLDER for its keys. See README.md.
import { homedir } from 'node:os'
import { join } from 'node:path'
import { ChatClient, ChatError, type IncomingMessage } from 'secure-chat-client'
import { FileStore } from 'secure-chat-client/node'

const {
  SECURE_CHAT_URL: url = 'http://127.0.0.1:3000',
  BOT_USERNAME: username = 'ping-bot',
  BOT_PASSWORD: password,
  BOT_FOLDER: folder = join(homedir(), '.ping-bot')
} = process.env
if (password === undefined) throw new Error('Set BOT_PASSWORD.')
const credentials = { username, password, deviceName: 'bot' }

const stop = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => stop.abort())

const bot = await ChatClient.open({ url, store: await FileStore.open({ folder }) })
try {
  await signIn()
  // Strangers need not wait until somebody accepts them.
  await bot.contacts.setPolicy('everyone')
  console.log(`${username} is listening.`)
  // Reconnects by itself, and ends when `stop` does. An event that was not handled comes again at the next
  // start.
  for await (const event of bot.events({ signal: stop.signal })) {
    if (event.type === 'message' && !event.own) await answer(event)
    else if ('error' in event && event.error !== undefined) console.error(event.type, event.error.message)
  }
} catch (error) {
  if (!stop.signal.aborted) throw error
} finally {
  await bot.close()
}

async function signIn(): Promise<void> {
  if (bot.account === null)
    try {
      await bot.register(credentials)
    } catch (error) {
      // The account exists, and its keys are elsewhere: this becomes another device of it.
      if (!(error instanceof ChatError) || error.code !== 'username-taken') throw error
    }
  if (bot.account?.status === 'active' && bot.account.loggedIn) return
  const login = await bot.login(credentials)
  if (login.status === 'active') return
  console.log(
    `Approve this device with another one of ${username}. Press Enter when that one took the number.`
  )
  let shown = login.linkNumber
  const onNumber = (number: string): void => console.log((shown = number))
  // Only what was shown is confirmed. If another number has come meanwhile, it has to be compared, too.
  process.stdin.on('data', () => void bot.confirmLink(shown).catch(console.error))
  await bot.waitForApproval({ signal: stop.signal, onNumber })
  process.stdin.pause()
}

async function answer(message: IncomingMessage): Promise<void> {
  const { content, conversationId, from } = message
  if (content.type !== 'text' || content.text.trim().toLowerCase() !== 'ping') return
  try {
    await bot.send(conversationId, { type: 'text', text: 'pong', ref: message })
  } catch (error) {
    if (!(error instanceof ChatError)) throw error
    // If the server is unreachable, the message waits in the store and is sent later.
    console.error(`No answer to ${from.username} yet: ${error.message}`)
  }
}
