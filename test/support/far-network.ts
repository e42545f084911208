import { execFileSync, spawn, type ChildProcess } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { dieTogether, type Scope } from './server-process.js'

/** A network of its own, whose machine can vanish without a word. */
export interface FarNetwork {
  /** This machine, seen from there. */
  readonly here: string
  /** Run a program there. */
  spawn: (program: string, ...args: string[]) => ChildProcess
  /** From now on, all packets to it are lost. */
  vanish: () => void
}

/** It ends with its owner. A text is the reason why there can be none. */
export function farNetwork(owner: Scope): FarNetwork | string {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return 'needs Linux and root'
  const name = `chat${randomInt(1e6)}`
  const net = `10.${randomInt(200, 250)}.${randomInt(250)}`
  const ip = (...args: string[]) => execFileSync('ip', args, { stdio: 'pipe' })
  try {
    ip('netns', 'add', name)
    owner.teardown(() => ip('netns', 'delete', name))
    ip('link', 'add', `${name}a`, 'type', 'veth', 'peer', 'name', `${name}b`, 'netns', name)
    ip('address', 'add', `${net}.1/24`, 'dev', `${name}a`)
    ip('link', 'set', `${name}a`, 'up')
    ip('-n', name, 'address', 'add', `${net}.2/24`, 'dev', `${name}b`)
    ip('-n', name, 'link', 'set', `${name}b`, 'up')
  } catch (error) {
    return `needs network namespaces: ${(error as Error).message.split('\n')[0]}`
  }
  return {
    here: `${net}.1`,
    spawn(program, ...args) {
      const child = spawn('ip', ['netns', 'exec', name, program, ...args], {
        stdio: ['ignore', 'pipe', 'inherit']
      })
      dieTogether(child)
      return child
    },
    vanish: () => void ip('-n', name, 'address', 'flush', 'dev', `${name}b`)
  }
}

/** An address of this machine to which the routes can be lost. */
export interface LosableAddress {
  readonly address: string
  /** From now on the system refuses to connect to it with this error. */
  lose: (as: 'EHOSTUNREACH' | 'ENETUNREACH') => void
  restore: () => void
}

/** It is gone with its owner. A text is the reason why there can be none. */
export function losableAddress(owner: Scope): LosableAddress | string {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return 'needs Linux and root'
  // RFC 2544 keeps these networks for tests of devices.
  const address = `198.18.${randomInt(256)}.${randomInt(1, 255)}`
  const ip = (...args: string[]) => execFileSync('ip', args, { stdio: 'pipe' })
  const local = [`${address}/32`, 'dev', 'lo']
  let lost: string[] | undefined
  const restore = () => {
    if (lost !== undefined) ip('route', 'delete', ...lost)
    lost = undefined
    ip('address', 'replace', ...local)
  }
  try {
    restore()
    owner.teardown(() => {
      restore()
      ip('address', 'delete', ...local)
    })
  } catch (error) {
    return `needs an address of its own: ${(error as Error).message.split('\n')[0]}`
  }
  return {
    address,
    restore,
    lose(as) {
      restore()
      ip('address', 'delete', ...local)
      // A route that is thrown away is none, whatever the default route.
      lost = [as === 'EHOSTUNREACH' ? 'unreachable' : 'throw', `${address}/32`]
      ip('route', 'add', ...lost)
    }
  }
}
