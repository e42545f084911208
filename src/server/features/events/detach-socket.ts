import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

/**
 * Take over the connection of a response whose head is written, as a bare socket; what the client still sends is
 * thrown away. Request, response and the HTTP parser are three quarters of what an idle stream would cost, and from
 * here on none of them has a part in it.
 *
 * For HTTP the connection has closed: its own clean-up runs, which frees the parser and takes the connection off the
 * lists that HTTP's time limits and `server.close()` work on. Whoever takes the socket has to end it.
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

/** Who ends his side of the connection has left. */
function leave(this: Socket): void {
  this.destroy()
}

function ignore(): void {
  // A write that meets a socket just gone fails; `close` follows.
}
