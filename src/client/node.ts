/** The SDK's part for Node.js: every name that is promised to be kept. */
export { FileStore, type FileStoreOptions } from './stores/file/store.js'
export {
  AdminClient,
  type AdminInvite,
  type AdminInvitePage,
  type AdminRequest,
  type AdminSessionPage,
  type AdminTransport,
  type AdminUser,
  type AdminUserPage,
  type AuditPage,
  type AuditVerification,
  type PageRange,
  type PasswordResetLink,
  type Settings,
  type Statistics,
  type StorageUse
} from './admin.js'
