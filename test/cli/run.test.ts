import { EventEmitter } from 'node:events'
import { createWriteStream, existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import t, { type Test } from 'tap'
import { run } from '../../src/cli/run.js'
import { eventually } from '../support/eventually.js'

/** A process that the test controls. */
async function fakeProcess(owner: Test, ...args: string[]) {
  const home = await mkdtemp(join(tmpdir(), 'secure-chat-home-'))
  owner.teardown(() => rm(home, { recursive: true, force: true }))
  const streams = { stdin: new PassThrough(), stdout: new PassThrough(), stderr: new PassThrough() }
  return Object.assign(new EventEmitter(), {
    ...streams,
    argv: ['node', 'secure-chat', ...args],
    env: { SECURE_CHAT_HOME: home }
  })
}

for (const signal of ['SIGINT', 'SIGTERM'])
  t.test(`${signal} ends a command that waits for its input`, async (t) => {
    const process = await fakeProcess(t, 'send', 'bob')
    const code = run(process as unknown as NodeJS.Process)
    await eventually(() => process.stdin.listenerCount('readable') > 0)
    process.emit(signal)
    t.equal(await code, 130)
    t.equal(process.stderr.read(), null, 'quietly')
    t.strictSame(process.eventNames(), [], 'nothing is left behind')
  })

t.test('A command ends without an error when the reader of its output goes away', async (t) => {
  const process = await fakeProcess(t, 'send', 'bob')
  const code = run(process as unknown as NodeJS.Process)
  await eventually(() => process.stdin.listenerCount('readable') > 0)
  process.stdout.destroy(Object.assign(new Error('write EPIPE'), { code: 'EPIPE' }))
  t.equal(await code, 0)
})

t.test('A command goes on when nobody reads its notes any more', async (t) => {
  const process = await fakeProcess(t, '--version')
  const code = run(process as unknown as NodeJS.Process)
  process.stderr.destroy(Object.assign(new Error('write EPIPE'), { code: 'EPIPE' }))
  t.equal(await code, 0)
})

t.test('A full disk ends a command with an error', { skip: !existsSync('/dev/full') }, async (t) => {
  const process = await fakeProcess(t, '--version')
  const stdout = createWriteStream('/dev/full')
  t.equal(await run(Object.assign(process, { stdout }) as unknown as NodeJS.Process), 1)
  t.match(String(process.stderr.read()), /^secure-chat: The output can't be written: ENOSPC/)
})
