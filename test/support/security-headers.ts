const DUE: Readonly<Record<string, RegExp>> = {
  // The pages at /docs load their own files.
  'content-security-policy': /^default-src '(none|self)'; .*\bframe-ancestors 'none'/,
  'cross-origin-resource-policy': /^same-origin$/,
  'referrer-policy': /^no-referrer$/,
  'strict-transport-security': /^max-age=\d{7,}/,
  'x-content-type-options': /^nosniff$/,
  'x-frame-options': /^DENY$/
}
const TELLING = ['server', 'x-powered-by']

/** The security headers that an answer lacks, and those that tell what the server is made of. */
export function badHeaders(headers: Readonly<Record<string, unknown>>): string[] {
  const lacking = Object.entries(DUE).filter(([name, form]) => !form.test(String(headers[name])))
  return [...lacking.map(([name]) => name), ...TELLING.filter((name) => name in headers)]
}
