// The cryptography of Secure Chat for shell scripts, while curl does the rest. README.md lists the commands.
// What the server shows is believed only as far as the users' own devices have signed it (docs/protocol.md).
import assert from 'node:assert'
import crypto from 'node:crypto'
import fs from 'node:fs'

process.umask(0o077) // what is written here is for its owner alone
const read = (file) => fs.readFileSync(file, 'utf8') // file 0 is stdin
const json = (file) => JSON.parse(read(file))
const load = (dir) => json(`${dir}/device.json`)
const save = (dir, device, answer) => fs.writeFileSync(`${dir}/device.json`, JSON.stringify(device)) ?? answer
const base64 = (data) => Buffer.from(data).toString('base64')
const bytes = (text) => Buffer.from(text, 'base64')
const idBytes = (id) => Buffer.from(id.replaceAll('-', ''), 'hex')
const sha256 = (data) => crypto.createHash('sha256').update(data).digest('hex')
const fingerprint = (pem) => sha256(crypto.createPublicKey(pem).export({ type: 'spki', format: 'der' }))
const sign = (file, text) => base64(crypto.sign(null, Buffer.from(text), read(file)))
const verify = (pem, text, sig = '') => pem && crypto.verify(null, Buffer.from(text), pem, bytes(sig))
const hkdf = (key, id, use) => crypto.hkdfSync('sha256', bytes(key), idBytes(id), `secure-chat/v1 ${use}`, 32)
const oaep = (key) => ({ key, padding: crypto.constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha256' })
const pad = (text) => {
  const length = Buffer.byteLength(text)
  const step = 2 ** (Math.floor(Math.log2(length)) - Math.floor(Math.log2(Math.log2(length))) - 1) // Padmé
  return text + ' '.repeat(Math.max(256, Math.ceil(length / step) * step) - length)
}

// A statement is lines of "name value" in a fixed order, and signed as it stands.
const write = (type, ...lines) => [`secure-chat/v1 ${type}`, ...lines, ''].join('\n')
const fields = (text) => Object.fromEntries(text.split('\n').map((line) => line.split(' ')))
const signed = (dir, by, text) => ({ text, signatures: { [by]: sign(`${dir}/signing.pem`, text) } })
const signer = (devices, s) => devices.find((d) => verify(d.signingKey, s.text, s.signatures[d.signing]))
const sessionKeyText = (id, key, conversation, head, devices, by) => {
  const commitment = `commitment ${Buffer.from(hkdf(key, id, 'commitment')).toString('hex')}`
  const lines = [`conversation ${conversation}`, `session-key ${id}`, `head ${head}`, commitment]
  const pairs = devices.map((d) => `${d.signing} ${d.encryption}\n`)
  return write('session-key', ...lines, `roster ${sha256(pairs.sort().join(''))}`, `by ${by}`)
}
const messageText = (id, conversation, sessionKeyId, by) =>
  write('message', `conversation ${conversation}`, `session-key ${sessionKeyId}`, `message ${id}`, `by ${by}`)
const digest = (iv, ciphertext) => `digest ${sha256(Buffer.concat([iv, ciphertext]))}\n`

// A user's devices. Each signs for its keys; what comes after the first, or a reset, an active device signs too.
const readUser = (device, file) => {
  const name = file.replace(/^.*\/|\.json$/g, '') // whom the shell asked for, whoever the server answers with
  const { chain, devices: shown, retiredSigningKeys = [] } = json(file)
  const pems = [...shown.flatMap((d) => [d.signingKey, d.encryptionKey]), ...retiredSigningKeys]
  const keys = Object.fromEntries(pems.map((pem) => [fingerprint(pem), pem]))
  let [devices, root, previous] = [[], '', '-']
  for (const s of chain) {
    const { 'signing-key': signing, 'encryption-key': encryption, ...line } = fields(s.text)
    const next = { name, signing, encryption, signingKey: keys[signing], encryptionKey: keys[encryption] }
    const first = previous === '-' || line['secure-chat/v1'] === 'device-reset'
    const vouched = (!signing || signer([next], s)) && (first || signer(devices, s))
    assert(vouched && line.user === name && line.previous === previous, `${name} did not sign ${s.text}`)
    devices = first ? [] : devices.filter((d) => d.id !== line.device)
    if (signing) devices.push({ id: line.device, ...next }) // a device-revoke names no keys
    if (first) root = signing
    previous = sha256(s.text)
  }
  assert((device.roots[name] ??= root) === root, `${name} is not the ${name} whom this device knows`)
  return { name, root, own: devices.some((d) => d.id === device.id), devices }
}

const commands = {
  uuid: () => crypto.randomUUID(),
  json: (path) => path.split('.').reduce((value, key) => value?.[key], json(0)) ?? assert.fail('no value'),
  fingerprint: (file) => fingerprint(read(file)),
  sign: (file) => sign(file, read(0)),
  keygen(dir) {
    fs.mkdirSync(dir)
    for (const [name, type] of Object.entries({ signing: 'ed25519', encryption: 'rsa' })) {
      const { privateKey, publicKey } = crypto.generateKeyPairSync(type, { modulusLength: 3072 })
      fs.writeFileSync(`${dir}/${name}.pem`, privateKey.export({ type: 'pkcs8', format: 'pem' }))
      fs.writeFileSync(`${dir}/${name}.pub`, publicKey.export({ type: 'spki', format: 'pem' }))
    }
    const by = fingerprint(read(`${dir}/signing.pub`))
    return save(dir, { id: crypto.randomUUID(), by, roots: {}, sessionKeys: {}, positions: {} }, by)
  },
  'device-add'(user, dir) {
    const [{ id, by }, signingKey] = [load(dir), read(`${dir}/signing.pub`)]
    const encryptionKey = read(`${dir}/encryption.pub`)
    const keys = [`signing-key ${by}`, `encryption-key ${fingerprint(encryptionKey)}`, 'encryption-version 1']
    const text = write('device-add', `user ${user}`, 'sequence 1', 'previous -', `device ${id}`, ...keys)
    return { id, name: 'shell', signingKey, encryptionKey, statement: signed(dir, by, text) }
  },
  conversation(dir, kind, ...files) {
    const [device, id] = [load(dir), crypto.randomUUID()]
    const users = files.map((file) => readUser(device, file))
    const ownRole = kind === 'group' ? 'admin' : 'member'
    const members = users.map((user) => `member ${user.name} ${user.own ? ownRole : 'member'} ${user.root}`)
    const start = [`conversation ${id}`, 'sequence 1', 'previous -', `kind ${kind}`]
    const text = write('conversation-create', ...start, ...members.sort(), `by ${device.by}`)
    return save(dir, device, { id, statement: signed(dir, device.by, text) })
  },
  'session-key'(dir, conversation, ...files) {
    const [device, id, key] = [load(dir), crypto.randomUUID(), base64(crypto.randomBytes(32))]
    const devices = files.flatMap((file) => readUser(device, file).devices)
    const text = sessionKeyText(id, key, conversation, json(0).head, devices, device.by)
    const wrap = (d) => base64(crypto.publicEncrypt(oaep(d.encryptionKey), bytes(key)))
    const wraps = devices.map((d) => ({ deviceId: d.id, wrappedKey: wrap(d) }))
    device.sessionKeys[id] = { conversation, key, devices, sent: 0 }
    return save(dir, device, { id, statement: signed(dir, device.by, text), wraps })
  },
  unwrap(dir, conversation, ...files) {
    const device = load(dir)
    const devices = files.flatMap((file) => readUser(device, file).devices)
    const { id, statement, wrappedKey } = json(0).items[0] // the newest
    const key = base64(crypto.privateDecrypt(oaep(read(`${dir}/encryption.pem`)), bytes(wrappedKey)))
    const [{ head }, by] = [fields(statement.text), signer(devices, statement)?.signing]
    const genuine = statement.text === sessionKeyText(id, key, conversation, head, devices, by)
    assert(genuine, 'this session key was not made by one of these users for exactly their devices')
    device.sessionKeys[id] ??= { conversation, key, devices, sent: 0 }
    return save(dir, device, id)
  },
  seal(dir, sessionKeyId) {
    const [device, id, iv] = [load(dir), crypto.randomUUID(), crypto.randomBytes(12)]
    const sessionKey = device.sessionKeys[sessionKeyId] ?? assert.fail('unwrap this session key first')
    const text = JSON.stringify({ type: 'text', n: ++sessionKey.sent, sentAt: new Date(), text: read(0) })
    const header = messageText(id, sessionKey.conversation, sessionKeyId, device.by)
    const cipher = crypto.createCipheriv('aes-256-gcm', hkdf(sessionKey.key, id, 'message'), iv)
    cipher.setAAD(header)
    const ciphertext = Buffer.concat([cipher.update(pad(text)), cipher.final(), cipher.getAuthTag()])
    const signature = sign(`${dir}/signing.pem`, header + digest(iv, ciphertext))
    return save(dir, device, { id, sessionKeyId, iv: base64(iv), ciphertext: base64(ciphertext), signature })
  },
  open(dir) {
    const [device, m] = [load(dir), json(0)]
    const sessionKey = device.sessionKeys[m.sessionKeyId] ?? assert.fail('unwrap its session key first')
    const sender = sessionKey.devices.find((d) => d.id === m.sender.deviceId && d.name === m.sender.username)
    const header = messageText(m.id, sessionKey.conversation, m.sessionKeyId, sender?.signing)
    const [iv, ciphertext] = [bytes(m.iv), bytes(m.ciphertext)]
    const genuine = verify(sender?.signingKey, header + digest(iv, ciphertext), m.signature)
    assert(genuine && sessionKey.conversation === m.conversationId, 'the sender did not sign this message')
    assert((device.positions[m.id] ??= m.position) === m.position, 'an old message is shown as a new one')
    const decipher = crypto.createDecipheriv('aes-256-gcm', hkdf(sessionKey.key, m.id, 'message'), iv)
    decipher.setAAD(header).setAuthTag(ciphertext.subarray(-16))
    const plaintext = Buffer.concat([decipher.update(ciphertext.subarray(0, -16)), decipher.final()])
    return save(dir, device, JSON.parse(plaintext))
  }
}

const [name, ...args] = process.argv.slice(2)
try {
  assert(Object.hasOwn(commands, `${name}`), `commands: ${Object.keys(commands).join(', ')} (see README.md)`)
  const answer = commands[name](...args)
  console.log(typeof answer === 'string' ? answer : JSON.stringify(answer))
} catch ({ code, message }) {
  console.error(code === 'ERR_ASSERTION' ? message : `${name}: this input does not fit (${message})`)
  process.exitCode = 1
}
