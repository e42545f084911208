import Type, { type Static, type TSchema } from 'typebox'
import { BASE64, BASE64_SIGNATURE, SHA256_HEX, USERNAME, UUID } from './ids.js'

/** A reference to a schema that has an `$id`, typed as what it stands for. */
export function ref<S extends TSchema>(schema: S) {
  return Type.Unsafe<Static<S>>(Type.Ref(schemaName(schema)!))
}

/** The `$id` of a schema, undefined for one without a name. */
export function schemaName(schema: TSchema): string | undefined {
  return (schema as { $id?: string }).$id
}

/** An object that refuses unknown members. Named ones (`$id`) become components of the OpenAPI document. */
export function record<P extends Record<string, TSchema>>(properties: P, options: object = {}) {
  return Type.Object(properties, { additionalProperties: false, ...options })
}

export function nullable<S extends TSchema>(schema: S) {
  return Type.Unsafe<Static<S> | null>({ anyOf: [schema, { type: 'null' }] })
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

export const Position = (description: string) =>
  Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER, description, examples: [42] })

export const Username = Type.String({
  pattern: `^${USERNAME}$`,
  description: '3–32 of `a-z 0-9 _ . -`, beginning with a letter.',
  examples: ['alice']
})

/** What a request may call a user: upper case is folded. */
export const UsernameInput = Type.String({
  pattern: `^${USERNAME.replaceAll('a-z', 'A-Za-z')}$`,
  description: '3–32 of `a-z 0-9 _ . -`, beginning with a letter; upper case is folded to lower case.',
  examples: ['alice']
})

export const Pem = (description: string) =>
  Type.String({ minLength: 1, maxLength: 2048, description: `${description}, SPKI PEM.` })

/** An integer that a request may leave out: handlers see the default, the document says that it is optional. */
export function defaulted(options: {
  default: number
  minimum: number
  maximum: number
  description: string
}) {
  return Type.Unsafe<number>(Type.Optional(Type.Integer(options)))
}

export const PageQuery = {
  limit: defaulted({ minimum: 1, maximum: 200, default: 50, description: 'At most this many items.' }),
  cursor: Type.Optional(
    Type.String({ maxLength: 256, description: 'Where to go on: the `next` of the page before.' })
  )
}

export const ChainQuery = record({
  after: defaulted({
    minimum: 0,
    maximum: Number.MAX_SAFE_INTEGER,
    default: 0,
    description: 'Only statements with a larger sequence.'
  })
})

/** A page of a collection. */
export function page<S extends TSchema>(items: S, options: object) {
  return record(
    {
      items: Type.Array(items),
      next: Type.Unsafe<string | null>({
        type: ['string', 'null'],
        description: 'The cursor of the next page; null on the last.'
      })
    },
    options
  )
}

/** A body of bytes as they are, `application/octet-stream`; handlers get undefined where there is none. */
export function octets(options: { description: string; headers?: Record<string, TSchema> }) {
  return Type.Unsafe<Uint8Array | undefined>({
    ...options,
    content: { 'application/octet-stream': { schema: { type: 'string', format: 'binary' } } }
  })
}

export type SignedStatement = Static<typeof SignedStatement>
export const SignedStatement = record(
  {
    text: Type.String({
      minLength: 1,
      maxLength: 160_000,
      description: 'ASCII lines `name value`, each ended by one LF; stored verbatim.'
    }),
    signatures: Type.Record(
      Type.String({ pattern: `^${SHA256_HEX}$` }),
      Type.String({ pattern: `^${BASE64_SIGNATURE}$`, minLength: 88, maxLength: 88 }),
      {
        minProperties: 1,
        maxProperties: 2,
        additionalProperties: false,
        description: 'Signing key fingerprint → base64 Ed25519 signature over the bytes of `text`.'
      }
    )
  },
  { $id: 'SignedStatement', description: 'A signed statement of a user’s or a conversation’s chain.' }
)

export type ProblemDocument = Static<typeof ProblemDocument>
export const ProblemDocument = Type.Object(
  {
    type: Type.String({ description: 'A stable relative URI that names the problem.' }),
    title: Type.String(),
    status: Type.Integer(),
    detail: Type.String({ description: 'What is wrong, and how to mend it.' }),
    instance: Type.String({ description: 'The id of the request, as in the server’s log.' }),
    errors: Type.Optional(
      Type.Array(record({ path: Type.String(), message: Type.String() }), {
        description: 'What does not validate, and where.'
      })
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
        detail: 'The session key is out of date: make a new one for the current roster.',
        instance: 'req-7f'
      }
    ]
  }
)
