import { randomBytes } from 'node:crypto'
import { sql } from 'drizzle-orm'
import t from 'tap'
import { startTarget } from '../../../support/bad-input.js'
import { found, newKey } from '../../../support/conversations.js'
import { expect, type Page } from '../../../support/interop/http.js'

const target = await startTarget(t)
const [alice, bob] = [await target.user('alice'), await target.user('bob')]

t.test('A page of session keys is bounded by the bytes of its wraps, too', async (t) => {
  const id = await found(alice, 'group', [bob])
  for (let n = 0; n < 24; n++) expect(await newKey(alice, id), 201)
  // From as many devices as a user can have, in the longest form.
  const wrappedKey = randomBytes(512 + 1136).toString('base64')
  const signatures = JSON.stringify({ ['f'.repeat(64)]: randomBytes(64).toString('base64') })
  await target.services.db.execute(sql`
    insert into added_wraps (session_key_id, device_id, added_by, wrapped_key, text, signatures)
    select k.id, ${bob.deviceId}::uuid, gen_random_uuid(), decode(${wrappedKey}, 'base64'), repeat('x', 400),
      ${signatures}::json
    from session_keys k, generate_series(1, 15) where k.conversation_id = ${id}::uuid`)

  const [ids, sizes]: [string[], number[]] = [[], []]
  for (let cursor: string | null = ''; cursor !== null;) {
    const path: string = `/v1/conversations/${id}/session-keys?limit=200${cursor && `&cursor=${cursor}`}`
    const answer = await bob.raw<Page<{ id: string; added: unknown[] }>>('GET', path)
    const { items, next } = expect(answer, 200).body
    for (const { id, added } of items) {
      ids.push(id)
      if (added.length !== 15) t.fail(`${added.length} wraps`)
    }
    sizes.push(JSON.stringify(answer.body).length)
    cursor = next
  }
  t.equal(ids.length, 25)
  t.equal(new Set(ids).size, 25)
  t.equal(sizes.length, 2)
  for (const size of sizes) t.ok(size < 2 ** 20, `${size} bytes`)
})
