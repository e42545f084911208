import { createPublicKey } from 'node:crypto'
import t from 'tap'
import { ChatClient } from '../../../src/client/client.js'
import { MemoryStore } from '../../../src/client/stores/memory.js'
import { PASSWORD } from '../../support/chat-clients.js'
import { FakeServer } from '../../support/fake-server.js'

// The clients of other tests get keys that are ready, of 2048 bits. This one has to make its own.
t.test('A device’s RSA keys have 3072 bits, those after a rekey and of a backup too', async (t) => {
  const server = new FakeServer()
  const bob = await ChatClient.open({ url: 'http://fake', store: new MemoryStore(), fetch: server.fetch })
  t.teardown(() => bob.close())
  await bob.register({ username: 'bob', password: PASSWORD })
  const { devices } = server.requireUser('bob')
  const sizes = () =>
    [...devices.values()].map(
      ({ encryptionKey }) => createPublicKey(encryptionKey).asymmetricKeyDetails?.modulusLength
    )
  t.strictSame(sizes(), [3072])
  const [first] = [...devices.values()].map(({ encryptionKey }) => encryptionKey)
  await bob.devices.rekey()
  t.not(devices.get(bob.account!.deviceId)!.encryptionKey, first)
  await bob.backup.create()
  t.strictSame(sizes(), [3072, 3072])
})
