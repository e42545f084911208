/** A `fetch` that keeps the method and the last part of the path of each request. */
export function recordedRequests(): { fetch: typeof globalThis.fetch; requests: string[] } {
  const requests: string[] = []
  return {
    requests,
    fetch: (input, init) => {
      const { pathname } = new URL(input)
      requests.push(`${init?.method ?? 'GET'} ${pathname.replace(/.*\//, '')}`)
      return fetch(input, init)
    }
  }
}
