/**
 * Rules for texts that no regular expression says alike in every language. A schema names one as its `format`,
 * and says it in words in its description. The server checks it.
 */
export const textFormats = {
  /**
   * No NUL: HMAC pads its key with NULs, so a trailing one would not count. No lone surrogates: UTF-8 cannot
   * encode them.
   */
  password: (text: string) => !/[\0\p{Cs}]/u.test(text),
  /** No controls but tabs and line breaks, and no lone surrogates: PostgreSQL stores no NUL. */
  'plain-text': (text: string) => !/(?![\t\n])\p{Cc}|\p{Cs}/u.test(text),
  /** No controls, nothing invisible that changes what stands beside it, and nothing without a meaning. */
  'device-name': (text: string) => !/\p{C}/u.test(text)
}
