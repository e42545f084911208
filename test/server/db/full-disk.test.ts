import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { copyEmptyDatabase } from '../../support/empty-database.js'
import { conversation, user } from '../../support/people.js'
import { startServer } from '../../support/server-process.js'
import { SmallDisk } from '../../support/small-disk.js'
import { problem } from '../../support/interop/http.js'

const disk = await SmallDisk.make(t)
if (typeof disk === 'string') t.pass(disk, { skip: disk })
else
  t.test(
    'On a full disk the embedded database refuses messages, and continues when there is space',
    async (t) => {
      const dataDir = join(disk.folder, 'data')
      mkdirSync(dataDir, { mode: 0o700 })
      await copyEmptyDatabase(dataDir)
      const server = await startServer(t, { dataDir })
      const alice = await user(t, server, 'alice')
      const id = await conversation(alice, [])
      const accepted: string[] = []
      const refusals = new Set<string>()
      const write = async (milliseconds: number) => {
        for (const until = Date.now() + milliseconds; Date.now() < until;) {
          const sealed = alice.seal(id, 'x'.repeat(20_000))
          const answer = await alice.post(id, sealed)
          if (answer.status === 201) accepted.push(sealed.id)
          else {
            refusals.add(`${answer.status} ${problem(answer)}`)
            await sleep(20)
          }
        }
        return accepted.length
      }

      await write(500)
      await disk.fill()
      const whileFull = await write(2000)
      t.strictSame([...refusals], ['503 database-unavailable'])
      refusals.clear()
      await disk.clear()
      t.ok((await write(1000)) > whileFull)
      t.strictSame([...refusals], [])
      await server.restart()
      const stored = await alice.history(id)
      t.strictSame(
        stored.map((message) => message.id),
        accepted
      )
    }
  )
