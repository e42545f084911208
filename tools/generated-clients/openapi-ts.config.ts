import { defineConfig } from '@hey-api/openapi-ts'

export default defineConfig({
  input: '../../openapi/openapi.json',
  output: { path: 'generated/hey-api', importFileExtension: '.js' },
  plugins: ['@hey-api/client-fetch', '@hey-api/typescript', '@hey-api/sdk', 'zod']
})
