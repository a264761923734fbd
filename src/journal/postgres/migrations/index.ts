export { isMigrated, MIGRATIONS, type Migrated, type MigrateOptions, migrate, migrateWith } from './migrate.js'
export type { Migration } from './migration.js'
