import type { Socket } from 'node:net'
import type { App } from './app.js'

/** Then whoever has begun a request and not finished it is cut off, so that the rest can end in order. */
const PATIENCE_MS = 5000

/**
 * When the app closes, connections close with it: at once where nothing is asked, else as soon as it is answered.
 * Node.js leaves out connections on which nothing was ever asked, as browsers and clients open them in advance.
 */
export function closeConnections(app: App): void {
  const open = new Set<Socket>()
  app.server.on('connection', (socket) => {
    open.add(socket)
    socket.once('close', () => open.delete(socket))
  })
  app.addHook('preClose', (done) => {
    for (const socket of open) if (socket.bytesRead === 0) socket.destroy()
    setTimeout(() => app.server.closeAllConnections(), PATIENCE_MS).unref()
    done()
  })
}
