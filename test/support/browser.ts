import { accessSync, constants } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { delimiter, join } from 'node:path'
import { build } from 'esbuild'
import { chromium, type Page } from 'playwright-core'
import type { Scope } from './server-process.js'

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable']

/** The path of a Chromium on this machine: `CHROMIUM`, or the first of its names on the `PATH`. */
export function findBrowser(env: NodeJS.ProcessEnv = process.env): string | undefined {
  const onPath = (env['PATH'] ?? '')
    .split(delimiter)
    .flatMap((folder) => NAMES.map((name) => join(folder, name)))
  return [...(env['CHROMIUM'] ? [env['CHROMIUM']] : []), ...onPath].find(isExecutable)
}

/** The browser, and the `skip` option of its tests. @throws in CI if there is no browser */
export function browserOrSkip(env: NodeJS.ProcessEnv = process.env): {
  browser: string | undefined
  skip: string | false
} {
  const browser = findBrowser(env)
  const missing = 'no Chromium found: install one, or set CHROMIUM'
  if (browser === undefined && env['CI'] === 'true') throw new Error(missing)
  return { browser, skip: browser === undefined && missing }
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

/** A module and all that it imports as one script for browsers, whose exports are in the global `name`. */
export async function bundle(entry: string, name: string, { minify = false } = {}): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [entry],
    bundle: true,
    write: false,
    platform: 'browser',
    format: 'iife',
    globalName: name,
    target: 'es2023',
    minify,
    logLevel: 'error'
  })
  return outputFiles[0]!.text
}

export interface Site {
  origin: string
  /** A page of the site with the script loaded; pages of one profile share what they store. */
  open: () => Promise<Page>
}

/**
 * A site that serves one script and forbids all others, `eval` included, and a headless browser that visits
 * it.
 */
export async function browserSite(
  owner: Scope,
  executablePath: string,
  script: string,
  page = '<!doctype html><title>Secure Chat</title><script src="/script.js"></script>'
): Promise<Site> {
  const server = createServer((request, response) => {
    if (request.url?.endsWith('.js')) response.setHeader('content-type', 'text/javascript').end(script)
    else
      response
        .setHeader('content-type', 'text/html')
        .setHeader('content-security-policy', "default-src 'self'; connect-src *")
        .end(page)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-gpu'] })
  const context = await browser.newContext()
  owner.teardown(async () => {
    await browser.close()
    server.closeAllConnections()
    server.close()
  })
  return {
    origin,
    async open() {
      const page = await context.newPage()
      await page.goto(origin)
      return page
    }
  }
}
