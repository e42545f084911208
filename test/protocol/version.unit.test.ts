import { readFileSync } from 'node:fs'
import t from 'tap'
import { VERSION } from '../../src/protocol/version.js'

t.test('The server reports the version of the package', (t) => {
  const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string }
  t.equal(VERSION, version)
  t.end()
})
