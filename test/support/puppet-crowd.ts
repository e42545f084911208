import { randomUUID } from 'node:crypto'
import { fingerprint, generateSigningKeys } from '../../src/crypto/keys.js'
import { cheapRsa } from './cheap-keys.js'
import type { FakeServer } from './fake-server.js'
import { binding, nextPlace, publicKeys, Puppet, puppetDevice } from './puppet.js'

/** Many puppets, soon made. Nothing that is wrapped for them opens, and they share a KEM key. */
export async function puppetCrowd(server: FakeServer, count: number): Promise<Puppet[]> {
  const { encryption, ...shared } = await puppetDevice()
  const puppets: Puppet[] = []
  for (let at = 0; at < count; at++) {
    const user = server.user(`crowd-${String(at).padStart(4, '0')}`)
    const signing = await generateSigningKeys({ extractable: true })
    const publicKey = cheapRsa()
    const keys = { ...encryption, publicKey, fingerprint: await fingerprint(publicKey) }
    const device = { ...shared, id: randomUUID(), signing, encryption: keys }
    await user.append(await binding('device-add', nextPlace(user), device), publicKeys(device))
    puppets.push(new Puppet(user, device))
  }
  return puppets
}
