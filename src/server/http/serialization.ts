import FastJsonStringify, {
  type Serializer,
  type SerializerFactory
} from '@fastify/fast-json-stringify-compiler'

/**
 * One serializer for each schema: building one takes milliseconds, and most routes have the same problem
 * responses.
 */
export const buildSerializer: SerializerFactory = (externalSchemas, options) => {
  const build = FastJsonStringify()(externalSchemas, options)
  const built = new Map<string, Serializer>()
  return (route) => {
    const key = JSON.stringify(route.schema)
    let serializer = built.get(key)
    if (serializer === undefined) built.set(key, (serializer = build(route)))
    return serializer
  }
}
