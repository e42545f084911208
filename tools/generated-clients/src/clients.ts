import { heyApi } from './hey-api.js'
import { openapiFetch } from './openapi-fetch.js'
import { orval } from './orval.js'
import { swaggerTypescriptApi } from './swagger-typescript-api.js'
import type { Client } from './use.js'

/** By the name of the generator. */
export const clients: Record<string, (url: string) => Client> = {
  'openapi-typescript': openapiFetch,
  '@hey-api/openapi-ts': heyApi,
  orval,
  'swagger-typescript-api': swaggerTypescriptApi
}
export { use } from './use.js'
