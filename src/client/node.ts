/** The SDK's part for Node.js: every name that is promised to be kept. */
export { FileStore, type FileStoreOptions } from './stores/file/store.js'
