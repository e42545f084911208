import type { Socket } from 'node:net'
import type { App } from './app.js'

/** After this, connections with an unfinished request are cut off, so that the rest can end in order. */
const DRAIN_MS = 5000

/**
 * When the app closes, its connections close too: idle ones at once, the others after their response. Node.js
 * itself leaves connections open that never had a request, such as browsers open in advance.
 */
export function closeConnections(app: App): void {
  const open = new Set<Socket>()
  app.server.on('connection', (socket) => {
    open.add(socket)
    socket.once('close', () => open.delete(socket))
  })
  app.addHook('preClose', (done) => {
    for (const socket of open) if (socket.bytesRead === 0) socket.destroy()
    setTimeout(() => app.server.closeAllConnections(), DRAIN_MS).unref()
    done()
  })
}
