/** What was found wrong, for programs; the message says it for people and never holds a secret. */
export type CryptoErrorCode =
  | 'bad-encoding'
  | 'bad-key'
  | 'bad-signature'
  | 'bad-wrap'
  | 'bad-tag'
  | 'bad-padding'
  | 'bad-content'
  | 'too-large'
  | 'not-in-roster'
  | 'wrong-roster'
  | 'wrong-place'
  | 'wrong-commitment'
  | 'bad-attachment'
  | 'bad-range'
  | 'bad-recovery-code'
  | 'bad-passphrase'
  | 'bad-backup'
  | 'wrong-secret'

/** The one way in which this folder fails: what was given is not what the protocol asks for. */
export class CryptoError extends Error {
  override readonly name = 'CryptoError'
  readonly code: CryptoErrorCode

  constructor(code: CryptoErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}
