import { readFile } from 'node:fs/promises'
import { SocketAddress, type Socket } from 'node:net'
import { endianness } from 'node:os'

/** How often in the time-out the kernel is asked. */
const LOOKS = 9

/**
 * Watches sockets whose peers may vanish without a word: a phone out of reach, a laptop that sleeps. TCP itself gives
 * up after a quarter of an hour, and Node.js cannot set `TCP_USER_TIMEOUT`. But Linux tells how often it has sent the
 * same bytes again. A socket on which that number has not fallen for the time-out is destroyed.
 *
 * @returns a function that takes a socket, which is watched until it closes. Where there is no /proc, it does nothing
 */
export function peerWatch(timeoutSeconds: number): (socket: Socket) => void {
  const watched = new Map<Socket, Silence | null>()
  let timer: NodeJS.Timeout | undefined

  async function look(): Promise<void> {
    const retries = await readRetries()
    const now = performance.now()
    for (const [socket, silence] of watched) {
      const count = retries.get(keyOf(socket)) ?? 0
      const since = silence !== null && count >= silence.retries ? silence.since : now
      watched.set(socket, count === 0 ? null : { since, retries: count })
      if (count > 0 && now - since >= timeoutSeconds * 1000) socket.destroy()
    }
    if (watched.size > 0) later()
    else timer = undefined
  }

  function later(): void {
    timer = setTimeout(() => void look(), (timeoutSeconds * 1000) / LOOKS).unref()
  }

  return (socket) => {
    watched.set(socket, null)
    socket.once('close', () => watched.delete(socket))
    if (timer === undefined) later()
  }
}

/** A socket on which the same bytes are sent again and again. */
interface Silence {
  since: number
  retries: number
}

function keyOf({ localPort, remoteAddress = '', remotePort }: Socket): string {
  return `${localPort} ${remoteAddress.replace(/%.*/, '')} ${remotePort}`
}

/** A line of a connection that sends again: its local port, the peer's address and port, and how often. */
const LINE = /^ *\d+: [0-9A-F]+:([0-9A-F]{4}) ([0-9A-F]+):([0-9A-F]{4}) .. \S+ \S+ (?!0{8} )([0-9A-F]{8}) /gm

/** How often bytes were sent again since the peer has last acknowledged any, by the connection's `keyOf`. */
async function readRetries(): Promise<Map<string, number>> {
  const tables = await Promise.all(
    ['tcp', 'tcp6'].map((name) => readFile(`/proc/self/net/${name}`, 'latin1').catch(() => ''))
  )
  const found = new Map<string, number>()
  for (const table of tables)
    for (const [, local, address, port, count] of table.matchAll(LINE))
      found.set(`${hex(local!)} ${addressOf(address!)} ${hex(port!)}`, hex(count!))
  return found
}

const hex = (digits: string) => parseInt(digits, 16)

/** The kernel prints an address in words of 32 bits of its own byte order. */
function addressOf(words: string): string {
  const bytes = Buffer.from(words, 'hex')
  if (endianness() === 'LE') bytes.swap32()
  if (bytes.length === 4) return bytes.join('.')
  const address = bytes.toString('hex').replace(/(.{4})(?!$)/g, '$1:')
  return new SocketAddress({ address, family: 'ipv6' }).address
}
