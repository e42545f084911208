// Checks the OpenAPI documents, and uses each generated client against a server of its own.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { Validator } from '@seriousme/openapi-schema-validator'
import { InteropClient } from '../../build/test/support/interop/client.js'
import { startServer } from '../../build/test/support/server-process.js'
import { clients, use } from './build/src/clients.js'

/** Debian's Python has Debian's packages. */
const PYTHON = '/usr/bin/python3'

const root = new URL('../../', import.meta.url)
const undo = []
const owner = { teardown: (work) => undo.unshift(work) }

for (const name of ['openapi', 'openapi-3.0', 'openapi-3.2']) {
  const file = new URL(`openapi/${name}.json`, root).pathname
  const { valid, errors } = await new Validator().validate(file)
  if (!valid) throw new Error(`${file} is not valid: ${JSON.stringify(errors)}`)
  console.log(`openapi/${name}.json is valid`)
}

try {
  const { url } = await startServer(owner)
  const peer = await InteropClient.registered(url, 'peer')
  owner.teardown(() => peer.close())

  /** A direct conversation with a user, and a message in it. */
  const greet = async (username) => {
    const { id } = await peer.createConversation('direct', [username])
    const { body } = await peer.send(id, 'Hello')
    return { conversationId: id, messageId: body.id }
  }

  let number = 0
  for (const [name, make] of Object.entries(clients)) {
    await use(make(url), await registration(url, `user${++number}`), greet)
    console.log(`${name}: a client registered, logged in, read and followed events`)
  }
  await usePython(url, await registration(url, 'python'), greet)
  console.log('python3-jsonschema: a client did the same, and all of it is as the document says')
} finally {
  for (const work of undo) await work()
}

/** What a client sends to register a user with a device. */
async function registration(url, username) {
  const device = await InteropClient.create(url, username)
  owner.teardown(() => device.close())
  const { signingKey, encryptionKey, kemKey } = device.keys
  return {
    username,
    password: 'correct horse battery staple',
    device: {
      id: device.deviceId,
      name: 'laptop',
      signingKey,
      encryptionKey,
      kemKey,
      statement: device.firstStatement()
    }
  }
}

async function usePython(url, body, greet) {
  const child = spawn(PYTHON, [new URL('client.py', import.meta.url).pathname, url], {
    stdio: ['pipe', 'pipe', 'inherit']
  })
  child.stdin.end(JSON.stringify(body))
  let greeted
  child.stdout.once('data', () => (greeted = greet(body.username)))
  const [status] = await once(child, 'exit')
  if (status !== 0) throw new Error(`client.py ended with ${status}`)
  await greeted
}
