import FastJsonStringify, {
  type Serializer,
  type SerializerFactory
} from '@fastify/fast-json-stringify-compiler'

/**
 * One serializer for each schema, built for the first answer of its form: building one takes milliseconds, and most
 * routes have the same problem responses.
 */
export const buildSerializer: SerializerFactory = (externalSchemas, options) => {
  const build = FastJsonStringify()(externalSchemas, options)
  const built = new Map<string, Serializer>()
  return (route) => {
    let serializer: Serializer | undefined
    return (answer: unknown) => {
      if (serializer === undefined) {
        const key = JSON.stringify(route.schema)
        serializer = built.get(key) ?? build(route)
        built.set(key, serializer)
      }
      return serializer(answer)
    }
  }
}
