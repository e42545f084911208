import type { IncomingHttpHeaders } from 'node:http'
import { Problem } from './problem.js'

/** Entity tags as a header names them; `*` stands for whatever there is. */
type Tags = readonly string[] | '*'

const TAG = String.raw`(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"`
const tag = new RegExp(TAG, 'g')
const list = new RegExp(String.raw`^${TAG}(?:(?:[ \t]*,)+[ \t]*${TAG})*$`)

/** @throws {Problem} `invalid-request` if it is no list of entity tags (RFC 9110, section 8.8.3) */
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

/** A weak tag says nothing about the bytes, so only strong ones count for `If-Match`. */
const matches = (tags: Tags, etag: string) => tags === '*' || tags.includes(etag)

/** `If-None-Match` compares weakly. */
const matchesWeakly = (tags: Tags, etag: string) => matches(tags, etag) || tags.includes(`W/${etag}`)

/**
 * Whether someone who reads what has this strong tag has it already, so that 304 is the answer.
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
 * What a change may replace: one of these strong tags, or, by `If-None-Match: *`, nothing.
 *
 * @throws {Problem} `precondition-required` unless the request says so
 */
export function readReplaceable(headers: IncomingHttpHeaders): readonly string[] | 'nothing' {
  const ifMatch = readTags(headers, 'if-match')
  const ifNoneMatch = readTags(headers, 'if-none-match')
  if (ifMatch === undefined && ifNoneMatch === '*') return 'nothing'
  if (ifMatch === undefined || ifMatch === '*') throw new Problem('precondition-required')
  return ifMatch.filter((etag) => ifNoneMatch === undefined || !matchesWeakly(ifNoneMatch, etag))
}
