import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { findPostgres, type Postgres } from '../support/postgres.js'
import { Redis } from '../support/redis.js'
import type { Scope } from '../support/server-process.js'
import { SmallDisk } from '../support/small-disk.js'

const run = promisify(execFile)

const FAKETIME = ['x86_64', 'aarch64']
  .map((machine) => `/usr/lib/${machine}-linux-gnu/faketime/libfaketimeMT.so.1`)
  .find((path) => existsSync(path))

/** The parts of a stage that a fault needs for itself. */
export interface Ground {
  /** In place of that one. */
  readonly postgres?: Postgres
  /** For the servers. */
  readonly env?: Readonly<Record<string, string>>
  readonly redis?: Redis
  readonly disk?: SmallDisk
  readonly clocks?: { readonly ofServers: FakeClock; readonly ofPostgres: FakeClock }
}

/** A text is the reason why this machine has no such ground. */
export async function overRedis(owner: Scope): Promise<Ground | string> {
  const redis = await Redis.find(owner)
  return typeof redis === 'string' ? redis : { redis, env: { REDIS_URL: redis.url } }
}

/** PostgreSQL on a disk of its own. */
export async function onSmallDisk(owner: Scope): Promise<Ground | string> {
  const disk = await SmallDisk.make(owner)
  if (typeof disk === 'string') return disk
  const settings = ['max_wal_size=64MB', 'min_wal_size=32MB']
  const postgres = await findPostgres(owner, { folder: disk.folder, settings })
  return typeof postgres === 'string' ? postgres : { disk, postgres }
}

/** Servers and PostgreSQL whose clocks can be set, which other clocks of the machine are not. */
export async function withClocks(owner: Scope): Promise<Ground | string> {
  if (FAKETIME === undefined) return 'no libfaketime on this machine'
  const [ofServers, ofPostgres] = [await FakeClock.make(owner), await FakeClock.make(owner)]
  const postgres = await findPostgres(owner, { env: ofPostgres.env })
  if (typeof postgres === 'string') return postgres
  return { clocks: { ofServers, ofPostgres }, postgres, env: ofServers.env }
}

/** A clock that processes with this environment go by; monotonic time goes on for them. */
export class FakeClock {
  readonly env: Readonly<Record<string, string>>
  readonly #file: string

  private constructor(file: string) {
    this.#file = file
    this.env = {
      LD_PRELOAD: FAKETIME!,
      FAKETIME_TIMESTAMP_FILE: file,
      FAKETIME_NO_CACHE: '1',
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
      DONT_FAKE_MONOTONIC: '1'
    }
  }

  static async make(owner: Scope): Promise<FakeClock> {
    const folder = await mkdtemp(join(tmpdir(), 'secure-chat-clock-'))
    owner.teardown(() => rm(folder, { recursive: true, force: true }))
    // PostgreSQL runs as another user.
    await run('chmod', ['755', folder])
    const clock = new FakeClock(join(folder, 'offset'))
    await clock.set(0)
    return clock
  }

  /** @param seconds from the true time */
  async set(seconds: number): Promise<void> {
    await writeFile(this.#file, `${seconds < 0 ? '-' : '+'}${Math.abs(seconds)}\n`)
  }
}
