import { readFileSync, readdirSync } from 'node:fs'
import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import type { Scope } from '../support/server-process.js'
import { onSmallDisk, overRedis, withClocks, type FakeClock, type Ground } from './ground.js'
import type { Stage } from './stage.js'

const STALLED = 1000

export interface Fault {
  name: string
  /** Those that are over soon run with the tests. */
  isShort: boolean
  /** Makes what it needs; a text is the reason why this machine can't. */
  ground?: (owner: Scope) => Promise<Ground | string>
  /** Resolves when it is over. */
  happen: (stage: Stage) => Promise<void>
}

export const faults: readonly Fault[] = [
  {
    name: 'kill -9 of a server, three times',
    isShort: false,
    async happen({ servers }) {
      for (const server of servers) {
        await server.restart('SIGKILL')
        await sleep(300)
      }
    }
  },
  {
    name: 'rolling restart of all servers by SIGTERM',
    isShort: true,
    async happen({ servers }) {
      for (const server of servers) await server.restart('SIGTERM')
    }
  },
  {
    name: 'PostgreSQL restarts',
    isShort: true,
    happen: ({ postgres }) => postgres.restart()
  },
  {
    name: 'PostgreSQL shuts down immediately, and recovers',
    isShort: false,
    async happen({ postgres }) {
      await postgres.abort()
      await postgres.revive()
    }
  },
  {
    name: 'PostgreSQL is killed, and recovers',
    isShort: false,
    async happen({ postgres }) {
      await postgres.kill()
      await postgres.restart()
    }
  },
  {
    name: 'PostgreSQL is away for 10 seconds',
    isShort: false,
    async happen({ postgres }) {
      await postgres.stop()
      await sleep(10_000)
      await postgres.restart()
    }
  },
  {
    name: 'PostgreSQL hangs for 15 seconds',
    isShort: false,
    happen: ({ databaseUrl }) => hang(databaseUrl, 15_000)
  },
  {
    name: 'the notifier’s connections break, ten times',
    isShort: true,
    async happen({ databaseUrl }) {
      for (let i = 0; i < 10; i++, await sleep(150))
        await query(databaseUrl, `select pg_terminate_backend(pid) from (${NOTIFIERS}) notifiers`)
    }
  },
  {
    name: 'the notifier’s connections hang for 20 seconds',
    isShort: false,
    async happen({ databaseUrl }) {
      const pids = (await query<{ pid: number }>(databaseUrl, NOTIFIERS)).map(({ pid }) => pid)
      signalAll(pids, 'SIGSTOP')
      await sleep(20_000)
      signalAll(pids, 'SIGCONT')
    }
  },
  {
    name: 'the network is cut, twenty times',
    isShort: true,
    async happen({ networks }) {
      for (let i = 0; i < 20; i++, await sleep(150)) networks[i % networks.length]!.cut()
    }
  },
  {
    name: 'the network is slow, and passes bytes on in pieces',
    isShort: false,
    async happen({ networks }) {
      for (const network of networks) Object.assign(network, { delay: 2, piece: 100 })
      await sleep(3000)
      for (const network of networks) Object.assign(network, { delay: 0, piece: Infinity })
    }
  },
  {
    name: 'connections are half closed, ten times',
    isShort: true,
    async happen({ networks }) {
      for (let i = 0; i < 10; i++, await sleep(200)) networks[i % networks.length]!.halfClose()
    }
  },
  {
    name: `${STALLED} streams whose clients take nothing`,
    isShort: false,
    happen: stalledReaders
  },
  {
    name: 'Redis, which carries the notices, is killed, and comes back',
    isShort: true,
    ground: overRedis,
    async happen({ ground: { redis } }) {
      await redis!.kill()
      await sleep(1000)
      await redis!.start()
    }
  },
  {
    name: 'Redis hangs for 20 seconds',
    isShort: false,
    ground: overRedis,
    async happen({ ground: { redis } }) {
      signalAll([redis!.pid], 'SIGSTOP')
      await sleep(20_000)
      signalAll([redis!.pid], 'SIGCONT')
    }
  },
  {
    name: 'PostgreSQL’s disk is full for 5 seconds',
    isShort: false,
    ground: onSmallDisk,
    async happen({ postgres, ground: { disk } }) {
      await disk!.fill()
      await sleep(5000)
      await disk!.clear()
      await postgres.revive()
    }
  },
  {
    name: 'the servers’ clocks jump by 10 minutes, forth and back',
    isShort: false,
    ground: withClocks,
    happen: ({ ground: { clocks } }) => jump(clocks!.ofServers)
  },
  {
    name: 'PostgreSQL’s clock jumps by 10 minutes, forth and back',
    isShort: false,
    ground: withClocks,
    happen: ({ ground: { clocks } }) => jump(clocks!.ofPostgres)
  }
]

/** Connections of notifiers: their last statement was LISTEN or NOTIFY. */
const NOTIFIERS = `select pid from pg_stat_activity
  where datname = current_database() and query ~* '^(listen|notify)' and pid <> pg_backend_pid()`

async function query<Row extends pg.QueryResultRow>(url: string, text: string): Promise<Row[]> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    return (await client.query<Row>(text)).rows
  } finally {
    await client.end()
  }
}

/**
 * Every process of PostgreSQL stands still, and its connections with it: nothing is refused, and nothing
 * answered.
 */
async function hang(databaseUrl: string, milliseconds: number): Promise<void> {
  const [backend] = await query<{ pid: number }>(databaseUrl, 'select pg_backend_pid() as pid')
  // The backend itself is gone, but its parent, PostgreSQL's first process, is that of all others.
  const [other] = await query<{ pid: number }>(
    databaseUrl,
    'select pid from pg_stat_activity where pid <> pg_backend_pid() limit 1'
  )
  const first = parentOf((other ?? backend)!.pid)!
  const pids = [first, ...processes().filter((pid) => parentOf(pid) === first)]
  signalAll(pids, 'SIGSTOP')
  await sleep(milliseconds)
  signalAll(pids, 'SIGCONT')
}

function processes(): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
}

function parentOf(pid: number): number | undefined {
  try {
    return Number(/^PPid:\s+(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1])
  } catch {
    return undefined
  }
}

function signalAll(pids: readonly number[], signal: NodeJS.Signals): void {
  for (const pid of pids)
    try {
      process.kill(pid, signal)
    } catch {
      // It has ended meanwhile.
    }
}

async function jump(clock: FakeClock): Promise<void> {
  for (const seconds of [600, 0, -600, 0]) {
    await clock.set(seconds)
    await sleep(2000)
  }
}

async function stalledReaders({ servers, members }: Stage): Promise<void> {
  const token = members[0]!.accessToken!
  const sockets = Array.from({ length: STALLED }, (_, n) => {
    const socket = connect({ port: servers[n % servers.length]!.port, host: '127.0.0.1' })
    socket.on('error', () => undefined)
    socket.pause()
    socket.write(`GET /v1/events?after=0 HTTP/1.1\r\nHost: stalled\r\nAuthorization: Bearer ${token}\r\n\r\n`)
    return socket
  })
  await sleep(10_000)
  for (const socket of sockets) socket.destroy()
}
