// Runs tests by the names of their sources, once they are built: `npm run test:file test/server/app.test.ts`.
import { spawnSync } from 'node:child_process'

const paths = process.argv.slice(2)
if (paths.length === 0) {
  console.error('usage: npm run test:file test/<path>.test.ts …')
  process.exit(2)
}
const built = paths.map((path) => path.replace(/^(\.\/)?test\//, 'build/test/').replace(/\.ts$/, '.js'))
process.exitCode = spawnSync('tap', built, { stdio: 'inherit' }).status ?? 1
