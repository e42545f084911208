/**
 * The measured server imports this. SIGUSR2 makes it collect garbage, which does not count as memory in use.
 */
process.on('SIGUSR2', () => {
  globalThis.gc?.()
})
