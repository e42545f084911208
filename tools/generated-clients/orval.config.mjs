const input = '../../openapi/openapi.json'
const fetch = { path: 'src/orval-fetch.ts', name: 'orvalFetch', extension: '.js' }

export default {
  client: {
    input,
    output: { target: 'generated/orval/client.ts', client: 'fetch', override: { mutator: fetch } }
  },
  zod: { input, output: { target: 'generated/orval/zod.ts', client: 'zod' } }
}
