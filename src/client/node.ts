export { FileStore, type FileStoreOptions } from './stores/file/store.js'
