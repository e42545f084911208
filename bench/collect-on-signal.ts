/** To be imported by a server that is measured: on SIGUSR2 it collects its garbage, which is not memory in use. */
process.on('SIGUSR2', () => {
  globalThis.gc?.()
})
