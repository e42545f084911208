import t from 'tap'
import { registered } from '../../support/chat-clients.js'
import { advanceClocks } from '../../support/clocks.js'
import { startChat } from '../../support/start-chat.js'
import { tamperingProxy } from '../../support/tampering-proxy.js'

const HOUR_MS = 3_600_000
const chat = await startChat(t, { ACCESS_TOKEN_LIFETIME: '30', SESSION_TIMEOUT: '90' })
const proxy = await tamperingProxy(t, chat.url)
let clockMs = 0
let refreshes = 0
const isRefresh = ({ path }: { path: string }) => path === '/v1/auth/refresh'
const counting = {
  loses: (asked: { path: string }) => {
    if (isRefresh(asked)) refreshes++
    return false
  }
}
const alice = await registered(t, proxy.url, 'alice', { now: () => Date.now() + clockMs })

/** Refreshes that these calls cause. */
async function refreshesOf(calls: number): Promise<number> {
  const before = refreshes
  proxy.tamper(counting)
  for (let i = 0; i < calls; i++) await alice.sessions.list()
  return refreshes - before
}

t.test('An access token that lives for a short time is not refreshed at each call', async (t) => {
  t.equal(await refreshesOf(20), 0)
  advanceClocks(t, 25_000)
  t.equal(await refreshesOf(20), 1, 'but before it ends')
})

t.test('A clock that is set by hours causes one refresh, and logs nobody out', async (t) => {
  for (const [to, what] of [
    [24 * HOUR_MS, 'a day ahead'],
    [0, 'back again'],
    [-HOUR_MS, 'an hour back']
  ] as const) {
    clockMs = to
    t.equal(await refreshesOf(10), 1, what)
  }
})

t.test('A clock that went back does not keep a quiet session from being refreshed', async (t) => {
  t.equal(await refreshesOf(1), 0)
  clockMs -= HOUR_MS
  for (let i = 0; i < 4; i++) {
    t.test('every half a minute', async (t) => {
      // The client's clock does not move on.
      advanceClocks(t, 31_000 * (i + 1))
      clockMs -= 31_000
      t.equal(await refreshesOf(1), 1)
    })
  }
})

t.test('A refresh whose answer is lost is repeated, and the session goes on', async (t) => {
  advanceClocks(t, 200_000)
  clockMs = 0
  await chat.services.db.execute(`update sessions set expires_at = now() + interval '90 seconds'`)
  let lost = 0
  proxy.tamper({ loses: (asked) => isRefresh(asked) && lost++ < 2 })
  t.equal((await alice.sessions.list()).length, 1)
  t.equal(lost, 3)
  t.equal(alice.account?.loggedIn, true)
  t.equal(await refreshesOf(3), 0)
})
