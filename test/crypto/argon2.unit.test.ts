import t from 'tap'
import { argon2id, DEFAULT_COST, requireLongPassphrase } from '../../src/crypto/argon2.js'
import { encodeHex, encodeUtf8 } from '../../src/crypto/encoding.js'
import { refusal } from '../support/refusal.js'
import { quietestBlock } from '../support/longest-block.js'

const salt = encodeUtf8('saltsaltsaltsalt')
const derive = async (passphrase: string, cost = DEFAULT_COST) =>
  encodeHex(await argon2id(passphrase, salt, cost))

t.test('Argon2id derives what the reference implementation does, and lets other work run', async (t) => {
  // printf … | argon2 saltsaltsaltsalt -id -v 13 -l 32 -r -t <passes> -m 16 -p <lanes>
  const { result, longest } = await quietestBlock(() => derive('correct horse battery'))
  t.equal(result, 'c207f4b273a40c6daff4e4e09549029df281e1acf9e5817a89284d6a7a345309')
  t.ok(longest < 50, `other work waits ${longest} ms`)
  t.equal(
    await derive('correct horse battery', { memory: 65_536, passes: 4, lanes: 2 }),
    '3f45714cc450d788f69711039dc1eefed83cafec8251e70d755bd96b1171f2ec'
  )
})

t.test('The same characters in another encoding are the same passphrase', async (t) => {
  const typed = 'Grüße vom Küchentisch 7'.normalize('NFD').replace('7', '７')
  t.equal(await derive(typed), '17ed4242df7d0d084f534c121d0318cb45958c36c53bec44906d25efe42cebf8')
})

t.test('A cost out of bounds, or a short salt, is refused before any work', async (t) => {
  const bad = [
    { memory: 65_535 },
    { memory: 1_048_577 },
    { memory: 65_536.5 },
    { memory: NaN },
    { passes: 2 },
    { passes: 11 },
    { lanes: 0 },
    { lanes: 5 }
  ]
  const start = performance.now()
  for (const change of bad)
    t.equal(
      await refusal(argon2id('correct horse battery', salt, { ...DEFAULT_COST, ...change })),
      'bad-cost',
      JSON.stringify(change)
    )
  t.equal(await refusal(argon2id('correct horse battery', salt.subarray(1), DEFAULT_COST)), 'bad-cost')
  t.ok(performance.now() - start < 500)
})

t.test('A new passphrase has 12 to 1,024 code points', async (t) => {
  const check = async (passphrase: string) => refusal((async () => requireLongPassphrase(passphrase))())
  t.equal(await check('twelve chars'), 'accepted')
  t.equal(await check('elevenchars'), 'bad-passphrase')
  t.equal(await check('ü'.normalize('NFD').repeat(11)), 'bad-passphrase', 'combining marks do not count')
  t.equal(await check('🙂'.repeat(11)), 'bad-passphrase', 'a code point outside the BMP is one')
  t.equal(await check('x'.repeat(1024)), 'accepted')
  t.equal(await check('x'.repeat(1025)), 'bad-passphrase')
})
