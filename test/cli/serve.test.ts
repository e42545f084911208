import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import t, { type Test } from 'tap'
import { PROGRAM } from '../support/cli-process.js'
import { commandLine } from '../support/command-line.js'
import { emptyDataDir } from '../support/empty-database.js'
import { eventually } from '../support/eventually.js'
import { dieTogether, freePort, QUICK } from '../support/server-process.js'

function serve(args: readonly string[]): ChildProcess {
  const { PATH } = process.env
  const child = spawn(process.execPath, [...QUICK, PROGRAM, 'serve', ...args], {
    env: { PATH, LOG_LEVEL: 'warn' },
    stdio: ['ignore', 'pipe', 'pipe']
  })
  dieTogether(child)
  return child
}

async function answers(url: string): Promise<boolean> {
  const answer = await fetch(`${url}/readyz`).catch(() => undefined)
  return answer?.status === 200
}

async function started(t: Test): Promise<{ child: ChildProcess; url: string }> {
  const port = await freePort()
  const child = serve(['--port', String(port), '--data-dir', await emptyDataDir(t)])
  const url = `http://127.0.0.1:${port}`
  await eventually(() => answers(url))
  return { child, url }
}

for (const signal of ['SIGINT', 'SIGTERM'] as const)
  t.test(`"serve" starts a server that ${signal} shuts down in order`, async (t) => {
    const { child, url } = await started(t)
    const { name } = (await (await fetch(`${url}/v1/server`)).json()) as { name: string }
    t.equal(name, 'secure-chat')
    child.kill(signal)
    t.strictSame(await once(child, 'exit'), [0, null])
    t.notOk(await answers(url))
  })

for (const signal of ['SIGKILL', 'SIGHUP'] as const)
  t.test(`The server ends, too, when "serve" ends by ${signal}`, async (t) => {
    const { child, url } = await started(t)
    child.kill(signal)
    await once(child, 'exit')
    await eventually(async () => !(await answers(url)), 'the server ends')
  })

t.test('"serve" ends with the exit code of its server', async (t) => {
  const child = serve(['--port', '1', '--host', 'host.invalid', '--data-dir', await emptyDataDir(t)])
  const [said, [code]] = await Promise.all([text(child.stderr!), once(child, 'exit')])
  t.equal(code, 1)
  t.match(said, /^secure-chat: /m)
})

t.test('"serve" refuses an invalid port', async (t) => {
  for (const port of ['65536', '-1', 'http', '1e3']) {
    const { code, err } = await commandLine(t)(['serve', `--port=${port}`])
    t.equal(code, 2, port)
    t.match(err, 'It must be a number from 0 to 65535.')
  }
})
