export interface PasswordChange {
  currentPassword: string
  newPassword: string
  /** Also revoke all other devices: their keys would begin new sessions. */
  revokeOthers?: boolean
}

/** Something that the server holds on the user: `kind` says what. All of it is the server's word. */
export type ExportedRecord = { kind: string } & Readonly<Record<string, unknown>>
