export { EmbeddedPostgresError, type EmbeddedPostgresErrorCode } from './errors.js'
export { type EmbeddedPostgres, type EmbeddedPostgresOptions, startEmbeddedPostgres } from './launcher.js'
