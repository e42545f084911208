/**
 * The server, for use within another program. `secure-chat serve` is the usual way to start one.
 *
 *     const config = readConfig(process.env)
 *     const app = await buildApp(await openServices(config, createLogger(config.logLevel)))
 *     await app.listen({ host: config.http.host, port: config.http.port })
 *     // … `await app.close()` stops it and closes everything that it has opened.
 */
export { buildApp } from './app.js'
export type { App } from './http/app.js'
export { ConfigError, readConfig, type Config } from './config.js'
export { createLogger, type Logger } from './logger.js'
export { openServices, type Services } from './services.js'
