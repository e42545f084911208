import type { Static, TSchema } from 'typebox'
import * as Type from 'typebox'
import { BASE64, BASE64_SIGNATURE, SHA256_HEX, USERNAME, UUID } from './ids.js'

/** A reference to a named schema (`$id`), with that schema's type. */
export function ref<S extends TSchema>(schema: S) {
  return Type.Unsafe<Static<S>>(Type.Ref(schemaName(schema)!))
}

/** The `$id` of a schema; undefined if it has none. */
export function schemaName(schema: TSchema): string | undefined {
  return (schema as { $id?: string }).$id
}

/** An object without additional properties. Named ones (`$id`) become components of the OpenAPI document. */
export function record<P extends Record<string, TSchema>>(properties: P, options: object = {}) {
  return Type.Object(properties, { additionalProperties: false, ...options })
}

/** The schema or null, in the one form that the API has for it: `type` names both. */
export function nullable<S extends TSchema & { type: string }>({ $id, ...schema }: S & { $id?: string }) {
  return Type.Unsafe<Static<S> | null>({ ...schema, type: [schema.type, 'null'] })
}

/** One of several words. Unlike `Type.Enum` it names its type, which some generators of clients need. */
export function choice<const W extends string>(words: readonly W[], options: object = {}) {
  return Type.Unsafe<W>({ type: 'string', enum: words, ...options })
}

export const Uuid = (description: string) =>
  Type.String({ pattern: `^${UUID}$`, description, examples: ['0198c6f2-7b1e-7c55-9d2a-3f1f0c5a9e01'] })

export const Sha256 = (description: string) =>
  Type.String({
    pattern: `^${SHA256_HEX}$`,
    description,
    examples: ['9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08']
  })

export const Base64 = (
  description: string,
  { form = BASE64, ...bounds }: { form?: string; minLength?: number; maxLength: number }
) => Type.String({ pattern: `^${form}$`, contentEncoding: 'base64', description, ...bounds })

export const Time = (description: string) =>
  Type.String({ format: 'date-time', description, examples: ['2026-01-31T12:00:00.000Z'] })

/** Other languages have smaller integers, unless the schema asks for these. */
const INT64 = { format: 'int64', maximum: Number.MAX_SAFE_INTEGER }

export const Position = (description: string) =>
  Type.Integer({ ...INT64, minimum: 0, description, examples: [42] })

export const Username = Type.String({
  pattern: `^${USERNAME}$`,
  description: '3 to 32 characters of `a-z 0-9 _ . -`. The first is a letter.',
  examples: ['alice']
})

/** A username in a request: upper case is folded to lower case. */
export const UsernameInput = Type.String({
  pattern: `^${USERNAME.replaceAll('a-z', 'A-Za-z')}$`,
  description: '3 to 32 characters of `a-z 0-9 _ . -`. The first is a letter. Upper case becomes lower case.',
  examples: ['alice']
})

export const Pem = (description: string) =>
  Type.String({ minLength: 1, maxLength: 2048, description: `${description}, SPKI PEM.` })

/** An optional integer with a default: optional in the OpenAPI document, always a number for handlers. */
export function defaulted(options: {
  default: number
  minimum: number
  maximum: number
  format?: string
  description: string
}) {
  return Type.Unsafe<number>(Type.Optional(Type.Integer(options)))
}

/** A cursor in a request. Clients must keep as much, though cursors are shorter today. */
export const CursorInput = (description: string) => Type.String({ maxLength: 1024, description })

/** Most items of a page. */
export const MAX_PAGE = 200
/** Bytes of an answer with a page. A reader parses it at a stretch. */
export const MAX_PAGE_BYTES = 2 ** 20

export const PageQuery = {
  limit: defaulted({
    minimum: 1,
    maximum: MAX_PAGE,
    default: 50,
    description: 'The most items to return; fewer if they are large.'
  }),
  cursor: Type.Optional(CursorInput('The `next` of the previous page.'))
}

export const ChainQuery = record({
  after: defaulted({
    ...INT64,
    minimum: 0,
    default: 0,
    description: 'Return only statements with a larger sequence.'
  })
})

export const NextCursor = nullable(
  Type.String({ description: 'The cursor of the next page. Null on the last page.' })
)

/** A page of a collection. */
export function page<S extends TSchema>(items: S, options: object) {
  return record(
    {
      items: Type.Array(items),
      next: NextCursor
    },
    options
  )
}

/** A body of raw bytes, `application/octet-stream`; undefined for handlers if the request has no body. */
export function octets(options: { description: string; headers?: Record<string, TSchema> }) {
  return Type.Unsafe<Uint8Array | undefined>({
    ...options,
    content: { 'application/octet-stream': { schema: { type: 'string', format: 'binary' } } }
  })
}

const signedStatement = {
  text: Type.String({
    minLength: 1,
    maxLength: 160_000,
    description: 'ASCII lines `name value`, each ended by one LF. Stored verbatim.'
  }),
  // Few generators of clients know `patternProperties`.
  signatures: Type.Unsafe<Record<string, string>>({
    type: 'object',
    propertyNames: { type: 'string', pattern: `^${SHA256_HEX}$` },
    additionalProperties: Type.String({ pattern: `^${BASE64_SIGNATURE}$`, minLength: 88, maxLength: 88 }),
    minProperties: 1,
    maxProperties: 2,
    description:
      'Ed25519 signatures over the bytes of `text`, in base64, by the fingerprint of the signing key.'
  })
}

export type SignedStatement = Static<typeof SignedStatement>
export const SignedStatement = record(signedStatement, {
  $id: 'SignedStatement',
  description: 'A signed statement of a user’s or a conversation’s chain.'
})

/** The same in a request: requests are closed, and responses are open. */
export const NewSignedStatement = record(signedStatement, {
  $id: 'NewSignedStatement',
  description: 'A signed statement for a user’s or a conversation’s chain.'
})

export const InvalidPart = record(
  {
    path: Type.String({ description: 'Where it is, such as `body/username`.' }),
    message: Type.String({ description: 'What is wrong with it.' })
  },
  { $id: 'InvalidPart', description: 'A part of a request that is not valid.' }
)

export type ProblemDocument = Static<typeof ProblemDocument>
export const ProblemDocument = Type.Object(
  {
    type: Type.String({ description: 'A stable relative URI that identifies the kind of problem.' }),
    title: Type.String(),
    status: Type.Integer(),
    detail: Type.String({ description: 'What is wrong and how to fix it.' }),
    instance: Type.String({ description: 'The id of the request in the server’s log.' }),
    errors: Type.Optional(
      Type.Array(ref(InvalidPart), { description: 'The parts of the request that are not valid.' })
    )
  },
  {
    $id: 'Problem',
    additionalProperties: true,
    description: 'RFC 9457 problem details.',
    examples: [
      {
        type: '/problems/rekey-required',
        title: 'Rekey required',
        status: 409,
        detail: 'The session key is out of date. Create a new one for the current roster.',
        instance: '5b0c2b7e-6a0f-4b43-9d3e-1f0a8a3c9d27'
      }
    ]
  }
)
