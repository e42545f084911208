import { fileURLToPath } from 'node:url'

// The build puts the server into one file beside this one's (`main.js`), so a path that is relative to a module holds only here.

/** Code of a thread. */
export const PASSWORD_THREAD = new URL('access/password-thread.js', import.meta.url)

/**
 * The files that PostgreSQL's initdb makes, packed by the build (`scripts/pack-new-database.ts`). In PGlite, initdb
 * takes seconds and 900 MiB.
 */
export const NEW_DATABASE = fileURLToPath(new URL('db/new-database.br', import.meta.url))

/** The generated migrations, at the top of the package. */
export const MIGRATIONS_FOLDER = fileURLToPath(new URL('../../../drizzle', import.meta.url))
