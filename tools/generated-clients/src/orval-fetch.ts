let origin = ''

/** Sets the server that all calls of the generated client go to. */
export function setOrigin(url: string): void {
  origin = url
}

/** How the generated client makes a request. */
export async function orvalFetch<T>(path: string, options: RequestInit): Promise<T> {
  const response = await fetch(origin + path, options)
  const { status, headers } = response
  return { status, headers, data: (await response.json()) as unknown } as T
}
