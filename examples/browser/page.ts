// A page that registers a user, sends messages and shows them. Its keys are in IndexedDB, so a reload goes
// on.
import {
  ChatClient,
  IndexedDbStore,
  type ChatEvent,
  type Incoming,
  type IncomingMessage
} from 'secure-chat-client'

const url = new URLSearchParams(location.search).get('server') ?? 'http://127.0.0.1:3000'
const status = find('#status')
const signInForm = find<HTMLFormElement>('#sign-in')
const sendForm = find<HTMLFormElement>('#send')
const messages = find('#messages')

const chat = await ChatClient.open({ url, store: await IndexedDbStore.open() })

onSubmit(signInForm, async ({ username = '', password = '' }) => {
  if (chat.account === null) {
    await chat.register({ username, password, deviceName: 'browser' })
    // A page that shows `chat.requests` can leave it to the person.
    await chat.contacts.setPolicy('everyone')
  } else await chat.login({ username, password })
  await start()
})

onSubmit(sendForm, async ({ to = '', text = '' }) => {
  await chat.send({ username: to }, text)
})

if (chat.account?.loggedIn === true) await start()
else {
  status.textContent = chat.account === null ? 'Choose a username and a password.' : 'Sign in again.'
  signInForm.hidden = false
}

async function start(): Promise<void> {
  signInForm.hidden = true
  sendForm.hidden = false
  status.textContent = `You are ${chat.account?.username}.`
  for (const { id } of await chat.conversations.list()) {
    const newest: Incoming[] = []
    for await (const item of chat.history(id, { limit: 20 })) newest.unshift(item)
    newest.forEach(show)
  }
  void listen().catch(report)
}

/** Follow the stream for as long as the page is open; it reconnects by itself. */
async function listen(): Promise<void> {
  for await (const event of chat.events()) show(event)
}

function show(event: ChatEvent): void {
  if (event.type === 'message') showMessage(event)
  else if ('error' in event && event.error !== undefined) report(event.error)
  else if (event.type === 'withheld' || event.type === 'reordered')
    addLine(`Messages of ${event.from.username} are missing or out of order.`)
  else if (event.type === 'identity-changed') addLine(`${event.username} has a new identity.`)
}

/** A message is known by its digest: an id could be that of another user's message, too. */
function showMessage({ digest, content, from: { username } }: IncomingMessage): void {
  if (content.type === 'retract') {
    const line = document.getElementById(content.ref.digest)
    if (line?.dataset['author'] === username) line.textContent = `${username}: (taken back)`
  } else if ('text' in content && document.getElementById(digest) === null) {
    const line = addLine(`${username}: ${content.text}`)
    line.id = digest
    line.dataset['author'] = username
  }
}

/** Always as text: a message must never become part of the page. */
function addLine(text: string): HTMLElement {
  const line = document.createElement('li')
  line.textContent = text
  messages.append(line)
  return line
}

function report(error: unknown): void {
  status.textContent = error instanceof Error ? error.message : String(error)
}

function onSubmit(form: HTMLFormElement, work: (fields: Record<string, string>) => Promise<void>): void {
  form.addEventListener('submit', (event) => {
    event.preventDefault()
    const fields = [...new FormData(form)].filter((field) => typeof field[1] === 'string')
    work(Object.fromEntries(fields) as Record<string, string>).then(() => form.reset(), report)
  })
}

function find<T extends HTMLElement = HTMLElement>(selector: string): T {
  const element = document.querySelector<T>(selector)
  if (element === null) throw new Error(`There is no ${selector} in the page.`)
  return element
}
