import { readFileSync } from 'node:fs'
import t from 'tap'
import { QUICK, startServer } from '../support/server-process.js'

t.setTimeout(120_000)

const dataDir = t.testdir()

t.test('The first start needs no more memory than a machine with 512 MB has', async (t) => {
  const server = await startServer(t, { dataDir, nodeOptions: [] })
  t.notMatch(server.output, 'exit code 137')
  if (process.platform !== 'linux') return t.comment('only Linux tells the peak of another process')
  const status = readFileSync(`/proc/${server.pid}/status`, 'utf8')
  const peak = Number(/^VmHWM:\s+(\d+) kB/m.exec(status)![1]) / 1024
  // Without a limit, memory that could be collected stays longer. tools/container.sh sets the limit.
  t.ok(peak < 600, `${Math.round(peak)} MiB`)
})

t.test('A server that finds too little memory says so before the kernel ends it', async (t) => {
  const little = 'data:text/javascript,process.availableMemory=()=>200*2**20'
  const server = await startServer(t, { dataDir, nodeOptions: [...QUICK, '--import', little] })
  t.match(server.output, /"availableMiB":200,"neededMiB":300,.*exit code 137/)
})
