import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'

const root = join(import.meta.dirname, '../../../src/server')
/** What connects nowhere. */
const HARMLESS = ['isIP', 'isIPv6', 'STATUS_CODES', 'SocketAddress', 'type']
const IMPORTS =
  /import (type )?([^;']*?) from '(?:node:(?:dgram|dns|https?|http2|net|tls)|undici)(?:\/[^']*)?'/g

/** The ways in a program to reach another machine. */
function waysOut(program: string): string[] {
  const names = [...program.matchAll(IMPORTS)].flatMap(([, isType, given]) =>
    isType === undefined ? given!.split(/[{},]/).map((name) => name.trim()) : []
  )
  const globals = [...program.matchAll(/\b(fetch|WebSocket|EventSource)\(/g)].map(([, name]) => name!)
  return [...names, ...globals].filter((name) => name !== '' && !HARMLESS.includes(name.split(' ')[0]!))
}

t.test('The server connects to its database and to Redis, and to no address that a request names', (t) => {
  const files = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((name) =>
    name.endsWith('.ts')
  )
  t.ok(files.length > 100)
  const found = files.flatMap((file) =>
    waysOut(readFileSync(join(root, file), 'utf8')).map((way) => `${file}: ${way}`)
  )
  t.strictSame(found, [])
  t.end()
})

t.test('The check finds the ways to reach another machine', (t) => {
  t.strictSame(waysOut("import { connect, isIP } from 'node:net'\nimport type { Socket } from 'node:net'"), [
    'connect'
  ])
  t.strictSame(waysOut("import http from 'node:http'\nawait fetch(url)"), ['http', 'fetch'])
  t.strictSame(waysOut("import { STATUS_CODES } from 'node:http'\nprefetch(1)"), [])
  t.end()
})
