import { LogController, type FastifyReply, type FastifyRequest } from 'fastify'

/** One line per request, at `debug` alone: it costs a fifth of the send rate. Errors are logged where they are answered. */
export class RequestLog extends LogController {
  override incomingRequest(): void {
    // The line comes when the request is complete.
  }

  override requestCompleted(
    _error: Error | null | undefined,
    request: FastifyRequest,
    reply: FastifyReply
  ): void {
    if (this.isLogDisabled(request)) return
    const { id: instance, method, url, ip: address } = request
    request.log.debug(
      { instance, method, url, address, status: reply.statusCode, ms: reply.elapsedTime },
      'request'
    )
  }

  override routeNotFound(): void {
    // A request like any other.
  }
}
