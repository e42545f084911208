import type { FastifyReply } from 'fastify'

/** Whether a response has been sent, or its client has left. */
export function isOver({ raw, request }: FastifyReply): boolean {
  return raw.destroyed || request.socket.destroyed
}

/**
 * Call `over` once when a response has been sent, or its client has left. If it is over already, nothing would tell of
 * it any more: `over` is called at once.
 */
export function whenOver(reply: FastifyReply, over: () => void): void {
  const { raw } = reply
  if (isOver(reply)) return over()
  if (raw.socket !== null) return void raw.once('close', over)
  // Node.js tells a response that waits for those before it on its connection nothing of the connection's end.
  const { socket } = reply.request
  socket.setMaxListeners(0).once('close', over)
  raw.once('socket', () => {
    socket.off('close', over)
    raw.once('close', over)
  })
}
