import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

/**
 * Detach the socket from a response whose headers are written. Whatever the client still sends is discarded.
 * Request, response and HTTP parser are three quarters of the memory of an idle stream, and can be freed from
 * here on.
 *
 * For Node.js' HTTP server the connection has closed: its own clean-up frees the parser, and takes the
 * connection off the lists for time limits and `server.close()`. The caller must end the socket.
 */
export function detachSocket(response: ServerResponse): Socket {
  const socket = response.socket!
  response.detachSocket(socket)
  socket.emit('close')
  socket.removeAllListeners()
  socket.on('end', leave)
  socket.on('error', ignore)
  socket.resume()
  return socket
}

/** A client that ends its side of the connection has left. */
function leave(this: Socket): void {
  this.destroy()
}

function ignore(): void {
  // A write to a socket that has just closed fails; `close` follows.
}
