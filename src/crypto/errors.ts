/** For programs. The message says the same for people, and never contains a secret. */
export type CryptoErrorCode =
  | 'bad-encoding'
  | 'bad-key'
  | 'bad-signature'
  | 'bad-wrap'
  | 'bad-tag'
  | 'bad-padding'
  | 'bad-content'
  | 'too-large'
  | 'wrong-commitment'
  | 'bad-attachment'
  | 'bad-range'
  | 'bad-recovery-code'
  | 'bad-passphrase'
  | 'bad-cost'
  | 'bad-backup'
  | 'wrong-secret'

/** An input does not meet the protocol's requirements. */
export class CryptoError extends Error {
  override readonly name = 'CryptoError'
  readonly code: CryptoErrorCode

  constructor(code: CryptoErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}
