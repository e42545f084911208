import t from 'tap'
import {
  concat,
  decodeBase64,
  decodeBase64ByTable,
  decodeHex,
  decodeUtf8,
  encodeBase64,
  encodeBase64ByTable,
  encodeHex,
  encodeUtf8,
  equalBytes,
  uuidBytes
} from '../../src/crypto/encoding.js'
import { refusal } from '../support/refusal.js'

const later = async <T>(work: () => T): Promise<T> => work()

const codecs: [name: string, encode: (bytes: Uint8Array) => string, decode: (text: string) => Uint8Array][] =
  [
    ['built in where possible', encodeBase64, decodeBase64],
    ['by table', encodeBase64ByTable, decodeBase64ByTable]
  ]

t.test('Bytes of any length and value survive base64', async (t) => {
  const random = crypto.getRandomValues(new Uint8Array(1000))
  const all = Uint8Array.from({ length: 256 }, (_, value) => value)
  const samples = [all, ...Array.from({ length: 70 }, (_, length) => random.subarray(0, length)), random]
  for (const [name, encode, decode] of codecs)
    for (const bytes of samples) {
      const text = encode(bytes)
      if (text !== Buffer.from(bytes).toString('base64')) t.fail(`${name}: ${text}`)
      t.strictSame([...decode(text)], [...bytes], `${name}: ${bytes.length} bytes`)
    }
})

t.test('Only canonical base64 is decoded', async (t) => {
  const bad = [
    'A',
    'AA',
    'AAA',
    'AA=',
    'AA==A',
    'A===',
    '====',
    'AB==',
    'AAB=',
    'AA==AAAA',
    'AAAA=',
    'AA-_',
    'AA A'
  ]
  for (const [name, , decode] of codecs)
    for (const text of [...bad, 'AAAA\n', ' AAAA', 'AAAA AAA', 'ÀAAA', 'AAA\u0141', 'AAA\0', 'A=AA'])
      t.equal(await refusal(later(() => decode(text))), 'bad-encoding', `${name}: ${JSON.stringify(text)}`)
})

t.test('Only lower-case hex and valid UTF-8 are decoded', async (t) => {
  t.equal(encodeHex(Uint8Array.of(0, 10, 255)), '000aff')
  t.strictSame([...decodeHex('000aff')], [0, 10, 255])
  for (const text of ['0', '0A', 'zz', '00 ', '00\n'])
    t.equal(await refusal(later(() => decodeHex(text))), 'bad-encoding', JSON.stringify(text))
  t.equal(decodeUtf8(encodeUtf8('Grüße ✓')), 'Grüße ✓')
  t.equal(await refusal(later(() => decodeUtf8(Uint8Array.of(0xff)))), 'bad-encoding')
})

t.test('A UUID encodes 16 bytes, and only in lower case', async (t) => {
  t.equal(encodeHex(uuidBytes('0198c6f2-7b1e-7c55-9d2a-3f1f0c5a9e01')), '0198c6f27b1e7c559d2a3f1f0c5a9e01')
  for (const id of ['0198C6F2-7b1e-7c55-9d2a-3f1f0c5a9e01', '0198c6f27b1e7c559d2a3f1f0c5a9e01', ''])
    t.equal(await refusal(later(() => uuidBytes(id))), 'bad-encoding', id)
})

t.test('Byte arrays are joined and compared', async (t) => {
  t.strictSame([...concat(Uint8Array.of(1), new Uint8Array(), Uint8Array.of(2, 3))], [1, 2, 3])
  t.ok(equalBytes(Uint8Array.of(1, 2), Uint8Array.of(1, 2)))
  t.notOk(equalBytes(Uint8Array.of(1, 2), Uint8Array.of(1, 3)))
  t.notOk(equalBytes(Uint8Array.of(1, 2), Uint8Array.of(1)))
})
