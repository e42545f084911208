/**
 * What is installed with this project: where it comes from, under which licence, and whether a fault of it is known.
 * Writes the list of it as a CycloneDX document (`npm sbom`) to `build/sbom.cdx.json`.
 */
import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'

/** Licences that ask for no more than their own text. */
const LICENCES = ['0BSD', 'Apache-2.0', 'BSD-2-Clause', 'BSD-3-Clause', 'BlueOak-1.0.0', 'ISC', 'MIT']
const REGISTRY = 'https://registry.npmjs.org/'
const SBOM = 'build/sbom.cdx.json'

const faults = []
const { packages } = JSON.parse(readFileSync('package-lock.json', 'utf8'))
const installed = Object.entries(packages).filter(
  ([path, { link }]) => path.startsWith('node_modules/') && !link
)
const used = installed.filter(([, { dev, devOptional }]) => !dev && !devOptional)

for (const [path, { resolved = REGISTRY, integrity = '' }] of installed)
  if (!resolved.startsWith(REGISTRY) || !integrity.startsWith('sha512-'))
    faults.push(`${path}: the lock file names no hash, or another origin than ${REGISTRY}`)

/** `(MIT OR GPL-2.0)` lets us choose; `MIT AND Zlib` does not. */
const isAllowed = (licence) =>
  licence
    .replace(/[()]/g, '')
    .split(' OR ')
    .some((choice) => choice.split(' AND ').every((one) => LICENCES.includes(one)))
for (const [path, { license = 'none' }] of used)
  if (!isAllowed(license)) faults.push(`${path}: its licence is ${license}`)

const npm = (...args) => spawnSync('npm', args, { encoding: 'utf8', maxBuffer: 2 ** 26 })

const sbom = npm('sbom', '--sbom-format', 'cyclonedx', '--omit', 'dev')
const { components = [] } = sbom.status === 0 ? JSON.parse(sbom.stdout) : {}
if (components.length === 0) faults.push(`npm sbom: ${sbom.stderr}`)
mkdirSync('build', { recursive: true })
writeFileSync(SBOM, sbom.stdout)

const audit = npm('audit', '--json', '--omit', 'dev')
const report = JSON.parse(audit.stdout || '{}')
const isAsked = report.metadata !== undefined
for (const [name, { severity }] of Object.entries(report.vulnerabilities ?? {}))
  faults.push(`${name}: ${severity} fault`)

console.log(
  `${installed.length} packages with a hash, ${used.length} of them in use, under allowed licences. ` +
    `${components.length} in ${SBOM}. ` +
    (isAsked
      ? 'No fault of them is known.'
      : 'This registry does not tell known faults: `npm audit` was not answered.')
)
if (faults.length > 0) {
  console.error(faults.slice(0, 20).join('\n'))
  process.exitCode = 1
}
