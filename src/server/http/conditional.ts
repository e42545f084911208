import type { IncomingHttpHeaders } from 'node:http'
import { Problem } from './problem.js'

/** The entity tags in a header; `*` matches any. */
type Tags = readonly string[] | '*'

const TAG = String.raw`(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"`
const tag = new RegExp(TAG, 'g')
const list = new RegExp(String.raw`^${TAG}(?:(?:[ \t]*,)+[ \t]*${TAG})*$`)

/** @throws {Problem} `invalid-request` if the header is no list of entity tags (RFC 9110, section 8.8.3) */
function readTags(headers: IncomingHttpHeaders, name: 'if-match' | 'if-none-match'): Tags | undefined {
  const value = headers[name]
  if (value === undefined || value === '*') return value
  if (!list.test(value))
    throw new Problem(
      'invalid-request',
      `\`${name}\` is neither \`*\` nor a list of entity tags in their quotes.`
    )
  return value.match(tag)!
}

/** `If-Match` compares strongly: a weak tag says nothing about the bytes. */
const matches = (tags: Tags, etag: string) => tags === '*' || tags.includes(etag)

/** `If-None-Match` compares weakly. */
const matchesWeakly = (tags: Tags, etag: string) => matches(tags, etag) || tags.includes(`W/${etag}`)

/**
 * Whether a reader already has the content with this strong tag, so that the response is 304.
 *
 * @throws {Problem} `precondition-failed` if `If-Match` names something else
 */
export function isKnown(headers: IncomingHttpHeaders, etag: string): boolean {
  const ifMatch = readTags(headers, 'if-match')
  const ifNoneMatch = readTags(headers, 'if-none-match')
  if (ifMatch !== undefined && !matches(ifMatch, etag)) throw new Problem('precondition-failed')
  return ifNoneMatch !== undefined && matchesWeakly(ifNoneMatch, etag)
}

/**
 * The content that a change may replace: that of one of these strong tags or, with `If-None-Match: *`, none.
 *
 * @throws {Problem} `precondition-required` if the request does not say
 */
export function readReplaceable(headers: IncomingHttpHeaders): readonly string[] | 'nothing' {
  const ifMatch = readTags(headers, 'if-match')
  const ifNoneMatch = readTags(headers, 'if-none-match')
  if (ifMatch === undefined && ifNoneMatch === '*') return 'nothing'
  if (ifMatch === undefined || ifMatch === '*') throw new Problem('precondition-required')
  return ifMatch.filter((etag) => ifNoneMatch === undefined || !matchesWeakly(ifNoneMatch, etag))
}

/**
 * The values of the strong tags in `If-Match`, without their quotes.
 *
 * @returns null without `If-Match`, and for `*`
 */
export function readIfMatch(headers: IncomingHttpHeaders): string[] | null {
  const tags = readTags(headers, 'if-match')
  if (tags === undefined || tags === '*') return null
  return tags.filter((etag) => etag.startsWith('"')).map((etag) => etag.slice(1, -1))
}
